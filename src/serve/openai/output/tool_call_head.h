// The head of a call, {"name": "...", "arguments": {, in a text that is still coming.
#pragma once

#include <string>
#include <string_view>

namespace fathom::serve {

struct CallHead {
  enum class State { kIncomplete, kWhole, kOther };
  State state = State::kIncomplete;
  std::string name;
  std::size_t arguments_at = 0;  // where the arguments' brace stands
};

// kOther: the text begins in another way. Linear in its size.
CallHead read_call_head(std::string_view text);

}  // namespace fathom::serve
