// The command line of fathom.
#include <fmt/core.h>

int main() {
  fmt::print("fathom {}\n", FATHOM_VERSION);
  return 0;
}
