// Range: a prediction, with how low and how high it may come out.
#pragma once

namespace fathom::plan {

struct Range {
  double low = 0;
  double likely = 0;
  double high = 0;

  bool contains(double value) const { return value >= low && value <= high; }
};

// Every value times a factor above 0.
inline Range operator*(const Range& range, double factor) {
  return {range.low * factor, range.likely * factor, range.high * factor};
}

inline Range operator+(const Range& a, const Range& b) {
  return {a.low + b.low, a.likely + b.likely, a.high + b.high};
}

// amount / range: the lowest quotient comes from the highest value.
inline Range operator/(double amount, const Range& range) {
  return {amount / range.high, amount / range.likely, amount / range.low};
}

}  // namespace fathom::plan
