// Units of configuration values.
#include "cmd/skeinmqd/values.h"

#include <gtest/gtest.h>

namespace skein::config {
namespace {

TEST(Values, NumbersWithUnits) {
  struct Row {
    const char* text;
    Unit unit;
    std::optional<uint64_t> value;
  };
  const Row rows[] = {
      {"0", Unit::kCount, 0},
      {"65535", Unit::kCount, 65535},
      {"18446744073709551615", Unit::kCount, UINT64_MAX},
      {"18446744073709551616", Unit::kCount, std::nullopt},
      {"", Unit::kCount, std::nullopt},
      {"-1", Unit::kCount, std::nullopt},
      {"+1", Unit::kCount, std::nullopt},
      {" 1", Unit::kCount, std::nullopt},
      {"1 ", Unit::kCount, std::nullopt},
      {"1.5", Unit::kCount, std::nullopt},
      {"0x10", Unit::kCount, std::nullopt},
      {"1KiB", Unit::kCount, std::nullopt},
      {"512", Unit::kBytes, 512},
      {"64KiB", Unit::kBytes, 65536},
      {"16MiB", Unit::kBytes, 16u << 20},
      {"4GiB", Unit::kBytes, uint64_t{4} << 30},
      {"17179869183GiB", Unit::kBytes, (uint64_t{17179869183}) << 30},
      {"17179869184GiB", Unit::kBytes, std::nullopt},
      {"16MB", Unit::kBytes, std::nullopt},
      {"16mib", Unit::kBytes, std::nullopt},
      {"250", Unit::kMilliseconds, 250},
      {"250ms", Unit::kMilliseconds, 250},
      {"10s", Unit::kMilliseconds, 10'000},
      {"5m", Unit::kMilliseconds, 300'000},
      {"2h", Unit::kMilliseconds, 7'200'000},
      {"2d", Unit::kMilliseconds, std::nullopt},
      {"60", Unit::kSeconds, 60},
      {"5m", Unit::kSeconds, 300},
      {"2000ms", Unit::kSeconds, 2},
      {"1500ms", Unit::kSeconds, std::nullopt},
  };
  for (const Row& row : rows)
    EXPECT_EQ(ParseNumber(row.text, row.unit), row.value) << row.text;
}

TEST(Values, FormattedNumbersReadBack) {
  for (const Unit unit : {Unit::kCount, Unit::kBytes, Unit::kMilliseconds, Unit::kSeconds}) {
    for (const uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{60}, uint64_t{1000},
                                 uint64_t{1024}, uint64_t{3'600'000}, uint64_t{1} << 30,
                                 uint64_t{1536}, uint64_t{UINT32_MAX}, UINT64_MAX}) {
      EXPECT_EQ(ParseNumber(FormatNumber(value, unit), unit), value);
    }
  }
  EXPECT_EQ(FormatNumber(16u << 20, Unit::kBytes), "16MiB");
  EXPECT_EQ(FormatNumber(1536, Unit::kBytes), "1536");
  EXPECT_EQ(FormatNumber(10'000, Unit::kMilliseconds), "10s");
  EXPECT_EQ(FormatNumber(90, Unit::kSeconds), "90s");
}

TEST(Values, Descriptions) {
  EXPECT_EQ(DescribeNumber(Unit::kCount, {1, 65535}), "integer 1..65535");
  EXPECT_EQ(DescribeNumber(Unit::kBytes, {1024, 1u << 30}), "size 1KiB..1GiB");
  EXPECT_EQ(DescribeNumber(Unit::kMilliseconds, {10, 3'600'000}), "duration 10ms..1h");
}

TEST(Values, Bools) {
  EXPECT_EQ(ParseBool("true"), true);
  EXPECT_EQ(ParseBool("off"), false);
  EXPECT_EQ(ParseBool("1"), std::nullopt);
  EXPECT_EQ(ParseBool(""), std::nullopt);
}

TEST(Values, EditDistance) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("log.level", "log.levle"), 2u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
}

}  // namespace
}  // namespace skein::config
