// Recursive descent over expressions, with Jinja's precedence: if-else, or, and, not, comparison,
// + -, ~, * / // %, unary, postfix, filters and tests.
#include "tokenizer/template/expression_parser.h"

#include <array>
#include <charconv>
#include <utility>

#include "tokenizer/template/functions.h"

namespace fathom::tokenizer {

using base::Result;
using ExpressionKind = Expression::Kind;
using Node = std::unique_ptr<Expression>;

namespace {

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenCursor& cursor) : cursor_(cursor) {}

  // a, b, c without brackets.
  Result<Node> parse_tuple() {
    Node first = TRY(parse_expression());
    if (!cursor_.is_operator(",")) return first;
    Node tuple = with_children(make(ExpressionKind::kTuple), std::move(first));
    while (cursor_.accept_operator(",")) {
      if (cursor_.peek().kind == Token::Kind::kPrintEnd ||
          cursor_.peek().kind == Token::Kind::kTagEnd)
        break;
      tuple->children.push_back(TRY(parse_expression()));
    }
    return tuple;
  }

  Result<Node> parse_expression() {
    const Nesting nesting(cursor_.depth());
    TRY(cursor_.check_depth());
    Node value = TRY(parse_or());
    while (cursor_.accept_name("if")) {
      Node node = make(ExpressionKind::kConditional);
      Node condition = TRY(parse_or());
      Node other;
      if (cursor_.accept_name("else")) other = TRY(parse_expression());
      value =
          with_children(std::move(node), std::move(value), std::move(condition), std::move(other));
    }
    return value;
  }

  Result<Node> parse_or() {
    Node left = TRY(parse_and());
    while (cursor_.accept_name("or")) {
      Node right = TRY(parse_and());
      left = with_children(make(ExpressionKind::kOr), std::move(left), std::move(right));
    }
    return left;
  }

 private:
  Node make(ExpressionKind kind, std::string text = {}) const {
    auto node = std::make_unique<Expression>();
    node->kind = kind;
    node->line = cursor_.peek().line;
    node->text = std::move(text);
    return node;
  }
  static Node with_children(Node node, Node a, Node b = nullptr, Node c = nullptr) {
    node->children.push_back(std::move(a));
    if (b) node->children.push_back(std::move(b));
    if (c) node->children.push_back(std::move(c));
    return node;
  }

  Result<Node> parse_and() {
    Node left = TRY(parse_not());
    while (cursor_.accept_name("and")) {
      Node right = TRY(parse_not());
      left = with_children(make(ExpressionKind::kAnd), std::move(left), std::move(right));
    }
    return left;
  }

  Result<Node> parse_not() {
    const Nesting nesting(cursor_.depth());
    TRY(cursor_.check_depth());
    if (!cursor_.accept_name("not")) return parse_comparison();
    Node value = TRY(parse_not());
    return with_children(make(ExpressionKind::kNot), std::move(value));
  }

  // The comparison at hand, or "".
  std::string comparison() {
    for (const std::string_view text : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (cursor_.accept_operator(text)) return std::string(text);
    }
    if (cursor_.accept_name("in")) return "in";
    if (cursor_.is_name("not") && cursor_.peek(1).kind == Token::Kind::kName &&
        cursor_.peek(1).text == "in") {
      cursor_.next();
      cursor_.next();
      return "not in";
    }
    return "";
  }

  Result<Node> parse_comparison() {
    Node left = TRY(parse_binary(0));
    std::string text = comparison();
    if (text.empty()) return left;
    Node right = TRY(parse_binary(0));
    Node node =
        with_children(make(ExpressionKind::kBinary, text), std::move(left), std::move(right));
    if (!comparison().empty()) return cursor_.bad("chained comparisons are not implemented");
    return node;
  }

  // Levels 0: + -, 1: ~, 2: * / // %.
  Result<Node> parse_binary(int level) {
    static constexpr std::array<std::array<std::string_view, 4>, 3> kLevels = {
        {{"+", "-"}, {"~"}, {"*", "//", "/", "%"}}};
    if (level == 3) return parse_unary();
    Node left = TRY(parse_binary(level + 1));
    while (true) {
      std::string found;
      for (const std::string_view text : kLevels[static_cast<std::size_t>(level)]) {
        if (found.empty() && !text.empty() && cursor_.accept_operator(text))
          found = std::string(text);
      }
      if (found.empty()) return left;
      Node right = TRY(parse_binary(level + 1));
      left = with_children(make(ExpressionKind::kBinary, found), std::move(left), std::move(right));
    }
  }

  Result<Node> parse_unary() {
    const Nesting nesting(cursor_.depth());
    TRY(cursor_.check_depth());
    for (const auto& [text, kind] :
         {std::pair{"-", ExpressionKind::kNegate}, std::pair{"+", ExpressionKind::kPlus}}) {
      if (!cursor_.accept_operator(text)) continue;
      Node value = TRY(parse_unary());
      return with_children(make(kind), std::move(value));
    }
    Node value = TRY(parse_postfix(TRY(parse_primary())));
    if (cursor_.is_operator("**")) return cursor_.bad("'**' is not implemented");
    return parse_filters(std::move(value));
  }

  Result<Node> parse_filters(Node value) {
    while (true) {
      if (cursor_.accept_operator("|")) {
        Node node = make(ExpressionKind::kFilter, TRY(cursor_.expect_name()));
        if (!is_known_filter(node->text)) {
          return cursor_.bad("the filter '" + node->text + "' is not implemented");
        }
        if (cursor_.accept_operator("(")) TRY(parse_arguments(*node));
        value = with_children(std::move(node), std::move(value));
      } else if (cursor_.accept_name("is")) {
        value = TRY(parse_test(std::move(value)));
      } else {
        return value;
      }
    }
  }

  Result<Node> parse_test(Node value) {
    const bool is_negated = cursor_.accept_name("not");
    Node node = make(ExpressionKind::kTest, TRY(cursor_.expect_name()));
    if (!is_known_test(node->text)) {
      return cursor_.bad("the test '" + node->text + "' is not implemented");
    }
    if (cursor_.accept_operator("(")) {
      TRY(parse_arguments(*node));
    } else if (test_takes_argument(node->text)) {
      node->arguments.push_back({ "", TRY(parse_postfix(TRY(parse_primary()))) });
    }
    node = with_children(std::move(node), std::move(value));
    if (is_negated) node = with_children(make(ExpressionKind::kNot), std::move(node));
    return node;
  }

  // After "(" up to and with ")".
  Result<void> parse_arguments(Expression& call) {
    while (!cursor_.accept_operator(")")) {
      Argument argument;
      if (cursor_.peek().kind == Token::Kind::kName &&
          cursor_.peek(1).kind == Token::Kind::kOperator && cursor_.peek(1).text == "=") {
        argument.name = cursor_.next().text;
        cursor_.next();
      } else if (cursor_.is_operator("*") || cursor_.is_operator("**")) {
        return cursor_.bad("unpacked arguments are not implemented");
      }
      argument.value = TRY(parse_expression());
      call.arguments.push_back(std::move(argument));
      if (!cursor_.is_operator(")")) TRY(cursor_.expect_operator(","));
    }
    return {};
  }

  Result<Node> parse_postfix(Node value) {
    while (true) {
      if (cursor_.accept_operator(".")) {
        Node node = make(ExpressionKind::kAttribute, TRY(cursor_.expect_name()));
        value = with_children(std::move(node), std::move(value));
      } else if (cursor_.accept_operator("[")) {
        value = TRY(parse_subscript(std::move(value)));
      } else if (cursor_.accept_operator("(")) {
        Node node = make(ExpressionKind::kCall);
        TRY(parse_arguments(*node));
        value = with_children(std::move(node), std::move(value));
      } else {
        return value;
      }
    }
  }

  Result<Node> parse_subscript(Node value) {
    Node parts[3];
    int colons = 0;
    while (!cursor_.accept_operator("]")) {
      if (cursor_.accept_operator(":")) {
        if (++colons > 2) return cursor_.bad("a slice has too many parts");
      } else {
        if (parts[colons]) return cursor_.bad("expected ']'");
        parts[colons] = TRY(parse_expression());
      }
    }
    if (colons == 0) {
      if (!parts[0]) return cursor_.bad("an empty subscript");
      return with_children(make(ExpressionKind::kIndex), std::move(value), std::move(parts[0]));
    }
    Node node = with_children(make(ExpressionKind::kSlice), std::move(value));
    for (Node& part : parts) node->children.push_back(std::move(part));
    return node;
  }

  Result<Node> parse_primary() {
    const Token token = cursor_.next();
    switch (token.kind) {
      case Token::Kind::kString: {
        Node node = make(ExpressionKind::kLiteral);
        std::string text = token.text;
        while (cursor_.peek().kind == Token::Kind::kString) text += cursor_.next().text;
        node->value = make_text(std::move(text));
        return node;
      }
      case Token::Kind::kInteger:
      case Token::Kind::kFloat:
        return parse_number(token);
      case Token::Kind::kName:
        return parse_name(token.text);
      case Token::Kind::kOperator:
        if (token.text == "(") return parse_brackets();
        if (token.text == "[") return parse_items(ExpressionKind::kList, "]");
        if (token.text == "{") return parse_dict();
        [[fallthrough]];
      default:
        return cursor_.bad("unexpected '" + token.text + "'");
    }
  }

  Result<Node> parse_number(const Token& token) const {
    Node node = make(ExpressionKind::kLiteral);
    const char* const end = token.text.data() + token.text.size();
    std::int64_t integer = 0;
    double real = 0;
    const bool is_integer = token.kind == Token::Kind::kInteger;
    const auto result = is_integer ? std::from_chars(token.text.data(), end, integer)
                                   : std::from_chars(token.text.data(), end, real);
    if (result.ec != std::errc{}) return cursor_.bad("a number out of range");
    if (is_integer) {
      node->value = {integer};
    } else {
      node->value = {real};
    }
    return node;
  }

  Result<Node> parse_name(const std::string& name) const {
    Node node = make(ExpressionKind::kLiteral);
    if (name == "true" || name == "True") {
      node->value = {true};
    } else if (name == "false" || name == "False") {
      node->value = {false};
    } else if (name == "none" || name == "None") {
      node->value = {None{}};
    } else {
      node = make(ExpressionKind::kName, name);
    }
    return node;
  }

  Result<Node> parse_brackets() {
    if (cursor_.is_operator(")")) return parse_items(ExpressionKind::kTuple, ")");
    Node first = TRY(parse_expression());
    if (cursor_.accept_operator(")")) return first;
    TRY(cursor_.expect_operator(","));
    Node rest = TRY(parse_items(ExpressionKind::kTuple, ")"));
    rest->children.insert(rest->children.begin(), std::move(first));
    return rest;
  }

  Result<Node> parse_items(ExpressionKind kind, std::string_view end) {
    Node node = make(kind);
    while (!cursor_.accept_operator(end)) {
      node->children.push_back(TRY(parse_expression()));
      if (!cursor_.is_operator(end)) TRY(cursor_.expect_operator(","));
    }
    return node;
  }

  Result<Node> parse_dict() {
    Node node = make(ExpressionKind::kDict);
    while (!cursor_.accept_operator("}")) {
      node->children.push_back(TRY(parse_expression()));
      TRY(cursor_.expect_operator(":"));
      node->children.push_back(TRY(parse_expression()));
      if (!cursor_.is_operator("}")) TRY(cursor_.expect_operator(","));
    }
    return node;
  }

  TokenCursor& cursor_;
};

}  // namespace

Result<Node> parse_expression(TokenCursor& cursor) {
  return ExpressionParser(cursor).parse_expression();
}
Result<Node> parse_tuple(TokenCursor& cursor) { return ExpressionParser(cursor).parse_tuple(); }
Result<Node> parse_unconditional(TokenCursor& cursor) {
  return ExpressionParser(cursor).parse_or();
}

}  // namespace fathom::tokenizer
