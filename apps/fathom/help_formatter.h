// --help in 80 columns, with defaults and without the library's type checks.
#pragma once

#include <memory>

namespace CLI {  // NOLINT(readability-identifier-naming): the library's name
class FormatterBase;
}

namespace fathom::app {

std::shared_ptr<CLI::FormatterBase> make_help_formatter();

}  // namespace fathom::app
