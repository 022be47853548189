// Result, TRY, errors.
#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace fathom::base {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return fail(ErrorCode::kInvalidArgument, "number", "{} is odd", number);
  return number / 2;
}

Result<int> quarter(int number) { return half(TRY(half(number))); }

Result<void> check_even(int number) {
  TRY(half(number));
  return {};
}

Result<std::unique_ptr<int>> boxed(int number) { return std::make_unique<int>(TRY(half(number))); }

TEST(Result, CarriesAValueOrAnError) {
  EXPECT_EQ(*quarter(8), 2);
  const auto failed = quarter(6);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(failed.error().text(), "number: 3 is odd");
}

TEST(Result, WorksWithVoidAndMoveOnlyTypes) {
  EXPECT_TRUE(check_even(2));
  EXPECT_FALSE(check_even(3));
  auto box = boxed(4);
  ASSERT_TRUE(box);
  EXPECT_EQ(**box, 2);
}

TEST(Result, Chains) {
  EXPECT_EQ(*half(8).and_then(half), 2);
  EXPECT_EQ(*half(8).transform([](int number) { return std::to_string(number); }), "4");
  EXPECT_EQ(half(3).value_or(7), 7);
  EXPECT_EQ(half(3)
                .transform_error([](Error error) {
                  error.where = "input";
                  return error;
                })
                .error()
                .where,
            "input");
}

TEST(ResultDeathTest, ReadingTheValueOfAFailureStopsTheProcess) {
  EXPECT_DEATH((void)half(3).value(), "3 is odd");
}

TEST(Error, NamesAreGrpcs) {
  EXPECT_EQ(name(ErrorCode::kUnauthenticated), "UNAUTHENTICATED");
  EXPECT_EQ(name(ErrorCode::kCancelled), "CANCELLED");
  EXPECT_EQ(name(static_cast<ErrorCode>(99)), "UNKNOWN");
}

}  // namespace
}  // namespace fathom::base
