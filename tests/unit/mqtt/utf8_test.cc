#include "broker/mqtt/utf8.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace skein::mqtt {
namespace {

// The standard encoding, without any check.
std::string Encode(uint32_t point) {
  const auto byte = [](uint32_t value) { return static_cast<char>(value); };
  if (point < 0x80) return {byte(point)};
  if (point < 0x800) return {byte(0xC0 | point >> 6), byte(0x80 | (point & 0x3F))};
  if (point < 0x10000) {
    return {byte(0xE0 | point >> 12), byte(0x80 | (point >> 6 & 0x3F)),
            byte(0x80 | (point & 0x3F))};
  }
  return {byte(0xF0 | point >> 18), byte(0x80 | (point >> 12 & 0x3F)),
          byte(0x80 | (point >> 6 & 0x3F)), byte(0x80 | (point & 0x3F))};
}

// At every distance from both ends of a word: a fast path must not change the answer. The bytes
// stand in an allocation of their own, so that a sanitizer sees a read beyond them.
bool ValidEverywhere(const std::string& sequence) {
  int valid = 0;
  int tried = 0;
  for (size_t before = 0; before < 18; ++before) {
    for (size_t behind = 0; behind < 18; ++behind) {
      const std::string text = std::string(before, 'x') + sequence + std::string(behind, 'y');
      const auto exact = std::make_unique<char[]>(text.size());
      text.copy(exact.get(), text.size());
      valid += IsUtf8({exact.get(), text.size()});
      ++tried;
    }
  }
  EXPECT_TRUE(valid == 0 || valid == tried) << "depends on the place";
  return valid == tried;
}

TEST(Utf8Test, EveryCodePointButNullAndSurrogatesIsValid) {
  for (uint32_t point = 0; point <= 0x10FFFF; ++point) {
    const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
    ASSERT_EQ(IsUtf8(Encode(point)), point != 0 && !surrogate) << point;
  }
}

TEST(Utf8Test, Boundaries) {
  for (const uint32_t point :
       {0x1u, 0x7Fu, 0x80u, 0x7FFu, 0x800u, 0xD7FFu, 0xE000u, 0xFEFFu, 0xFDD0u, 0xFFFEu, 0xFFFFu,
        0x10000u, 0x1FFFFu, 0xFFFFFu, 0x100000u, 0x10FFFFu}) {
    EXPECT_TRUE(ValidEverywhere(Encode(point))) << point;
  }
  for (const uint32_t point : {0xD800u, 0xDBFFu, 0xDC00u, 0xDFFFu, 0x110000u, 0x1FFFFFu}) {
    EXPECT_FALSE(ValidEverywhere(Encode(point))) << point;
  }
}

TEST(Utf8Test, IllFormed) {
  for (const std::string bad : {"\x80",
                                "\xBF",
                                "\xC0\x80",
                                "\xC0\xAF",
                                "\xC1\xBF",
                                "\xC2",
                                "\xC2\x41",
                                "\xC2\xC2",
                                "\xDF",
                                "\xE0\x80\x80",
                                "\xE0\x9F\xBF",
                                "\xE1\x80",
                                "\xE1\x80\x41",
                                "\xE1\x41\x80",
                                "\xED\xA0\x80",
                                "\xED\xBF\xBF",
                                "\xEF\xBF",
                                "\xF0\x80\x80\x80",
                                "\xF0\x8F\xBF\xBF",
                                "\xF1\x80\x80",
                                "\xF1\x80\x80\x41",
                                "\xF1\x80\x41\x80",
                                "\xF1\x41\x80\x80",
                                "\xF4\x90\x80\x80",
                                "\xF5\x80\x80\x80",
                                "\xF8\x88\x80\x80\x80",
                                "\xFC\x84\x80\x80\x80\x80",
                                "\xFE",
                                "\xFF"}) {
    EXPECT_FALSE(ValidEverywhere(bad)) << testing::PrintToString(bad);
  }
}

TEST(Utf8Test, NullIsForPayloadsOnly) {
  const std::string null(1, '\0');
  EXPECT_FALSE(ValidEverywhere(null));
  EXPECT_TRUE(IsUtf8Payload(null));
  EXPECT_TRUE(IsUtf8Payload("abc" + null + "defghijklmnop"));
  EXPECT_FALSE(IsUtf8Payload(null + "\xFF"));
  EXPECT_TRUE(IsUtf8Payload(""));
  EXPECT_FALSE(ScanText(null).valid);
}

TEST(Utf8Test, WildcardsAndLevelsAtEveryPlace) {
  for (size_t size = 0; size < 40; ++size) {
    const std::string plain(size, 'a');
    EXPECT_TRUE(ScanText(plain).valid);
    EXPECT_FALSE(ScanText(plain).wildcard);
    EXPECT_EQ(ScanText(plain).levels, 1u);
    for (size_t at = 0; at < size; ++at) {
      for (const char c : {'+', '#'}) {
        std::string wild = plain;
        wild[at] = c;
        EXPECT_TRUE(ScanText(wild).wildcard) << size << ' ' << at;
      }
      // Neighbours in the code table are not taken for wildcards or separators.
      for (const char c : {'*', ',', '"', '$', '.', '0', '\x01', '\x7F'}) {
        std::string near = plain;
        near[at] = c;
        EXPECT_FALSE(ScanText(near).wildcard);
        EXPECT_EQ(ScanText(near).levels, 1u);
        EXPECT_TRUE(ScanText(near).valid);
      }
      std::string split = plain;
      split[at] = '/';
      EXPECT_EQ(ScanText(split).levels, 2u);
    }
  }
}

TEST(Utf8Test, LevelsOfLongTopics) {
  EXPECT_EQ(ScanText("").levels, 1u);
  EXPECT_EQ(ScanText(std::string(65'535, '/')).levels, 65'536u);
  std::string topic;
  for (int i = 0; i < 30'000; ++i)
    topic += "/a";
  EXPECT_EQ(ScanText(topic).levels, 30'001u);
  EXPECT_EQ(ScanText("ä/ö/ü/日本/𝄞").levels, 5u);
  EXPECT_TRUE(ScanText("日本/+").wildcard);
}

}  // namespace
}  // namespace skein::mqtt
