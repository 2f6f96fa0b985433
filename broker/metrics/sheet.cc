#include "broker/metrics/sheet.h"

#include "prometheus/text_serializer.h"

namespace skein::metrics {

prometheus::ClientMetric& Family::Add(const Labels& labels) {
  prometheus::ClientMetric& metric = family_.metric.emplace_back();
  for (const auto& [name, value] : labels)
    metric.label.push_back({name, value});
  return metric;
}

Family& Family::Set(const Labels& labels, double value) {
  prometheus::ClientMetric& metric = Add(labels);
  if (family_.type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return *this;
}

// The last count has no bound: the serializer adds that bucket.
Family& Family::SetBuckets(const Labels& labels, const std::vector<double>& bounds,
                           const std::vector<uint64_t>& counts, double sum) {
  prometheus::ClientMetric::Histogram& histogram = Add(labels).histogram;
  uint64_t seen = 0;
  for (size_t i = 0; i < bounds.size(); ++i) {
    seen += counts[i];
    histogram.bucket.push_back({seen, bounds[i]});
  }
  histogram.sample_count = seen + counts.back();
  histogram.sample_sum = sum;
  return *this;
}

Family Sheet::Begin(std::string_view name, std::string_view help, prometheus::MetricType type) {
  prometheus::MetricFamily& family = families_.emplace_back();
  family.name = name;
  family.help = help;
  family.type = type;
  return Family(&family);
}

std::string TextOf(const std::vector<prometheus::MetricFamily>& families) {
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace skein::metrics
