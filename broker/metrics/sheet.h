// The figures of one scrape, and their text.
//
// Purpose: families of metrics as Prometheus has them, filled by who knows the figures. A family
// that has no value now is named all the same, so that what there is can be looked up on any node.
// Owner: whoever answers a scrape; made anew for each. Thread: confined to it. Limits: the callers'
// labels, which have few values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/base/counter.h"
#include "prometheus/metric_family.h"

namespace skein::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;

// One family that is being filled; as long as its sheet, until the next one is begun.
class Family {
 public:
  explicit Family(prometheus::MetricFamily* family) : family_(*family) {}

  Family& Set(double value) { return Set({}, value); }
  Family& Set(const Labels& labels, double value);
  // unit: what one of the histogram's units is in the base unit of the metric.
  template <int kFirst, int kLast>
  Family& Set(const Labels& labels, const Histogram<kFirst, kLast>& histogram, double unit) {
    std::vector<double> bounds;
    std::vector<uint64_t> counts;
    for (size_t i = 0; i < histogram.kBuckets; ++i) {
      counts.push_back(histogram.bucket(i));
      if (i + 1 < histogram.kBuckets) bounds.push_back(histogram.BoundOf(i) * unit);
    }
    return SetBuckets(labels, bounds, counts, static_cast<double>(histogram.sum()) * unit);
  }

 private:
  prometheus::ClientMetric& Add(const Labels& labels);
  Family& SetBuckets(const Labels& labels, const std::vector<double>& bounds,
                     const std::vector<uint64_t>& counts, double sum);

  prometheus::MetricFamily& family_;
};

class Sheet {
 public:
  Family Counter(std::string_view name, std::string_view help) {
    return Begin(name, help, prometheus::MetricType::Counter);
  }
  Family Gauge(std::string_view name, std::string_view help) {
    return Begin(name, help, prometheus::MetricType::Gauge);
  }
  Family Histogram(std::string_view name, std::string_view help) {
    return Begin(name, help, prometheus::MetricType::Histogram);
  }

  std::vector<prometheus::MetricFamily> Take() { return std::move(families_); }

 private:
  Family Begin(std::string_view name, std::string_view help, prometheus::MetricType type);

  std::vector<prometheus::MetricFamily> families_;
};

inline constexpr double kMicro = 1e-6;
inline constexpr double kMilli = 1e-3;

inline constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";
std::string TextOf(const std::vector<prometheus::MetricFamily>& families);

}  // namespace skein::metrics
