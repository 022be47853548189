// Nesting: counts how deep a recursion is, while it lives.
#pragma once

namespace fathom::tokenizer {

class Nesting {
 public:
  explicit Nesting(int& depth) : depth_(depth) { ++depth_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;
  ~Nesting() { --depth_; }

 private:
  int& depth_;
};

}  // namespace fathom::tokenizer
