// Recursive descent, with Jinja's precedence: if-else, or, and, not, comparison, + -, ~, * / // %,
// unary, **, postfix.
#include "tokenizer/template/parser.h"

#include <array>
#include <charconv>
#include <initializer_list>
#include <utility>

#include "tokenizer/template/functions.h"
#include "tokenizer/template/lexer.h"

namespace fathom::tokenizer {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using ExpressionKind = Expression::Kind;

constexpr int kMaxDepth = 100;

class Parser {
 public:
  Parser(std::vector<Token> tokens, std::string_view where)
      : tokens_(std::move(tokens)), where_(where) {}

  Result<Block> run() {
    Block block = TRY(parse_block({}));
    if (peek().kind != Token::Kind::kEnd) return bad("unexpected '" + peek(1).text + "'");
    return block;
  }

 private:
  using Node = std::unique_ptr<Expression>;

  Error bad(std::string_view problem) const {
    return base::fail(ErrorCode::kInvalidArgument, where_, "line {}: {}", peek().line, problem);
  }
  const Token& peek(std::size_t offset = 0) const {
    return tokens_[std::min(at_ + offset, tokens_.size() - 1)];
  }
  Token next() {
    Token token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool is_operator(std::string_view text) const {
    return peek().kind == Token::Kind::kOperator && peek().text == text;
  }
  bool is_name(std::string_view text) const {
    return peek().kind == Token::Kind::kName && peek().text == text;
  }
  bool accept_operator(std::string_view text) {
    if (!is_operator(text)) return false;
    next();
    return true;
  }
  bool accept_name(std::string_view text) {
    if (!is_name(text)) return false;
    next();
    return true;
  }
  Result<void> expect_operator(std::string_view text) {
    if (accept_operator(text)) return {};
    return bad("expected '" + std::string(text) + "'");
  }
  Result<std::string> expect_name() {
    if (peek().kind != Token::Kind::kName) return bad("expected a name");
    return next().text;
  }
  Result<void> expect_tag_end() {
    if (peek().kind != Token::Kind::kTagEnd) return bad("unexpected '" + peek().text + "'");
    next();
    return {};
  }

  // Counts nesting while it lives.
  struct Nesting {
    explicit Nesting(int& depth) : depth_(depth) { ++depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    ~Nesting() { --depth_; }
    int& depth_;
  };

  // Statements up to a tag named in `ends`, which stays unread.
  Result<Block> parse_block(std::initializer_list<std::string_view> ends) {
    const Nesting nesting(depth_);
    if (depth_ > kMaxDepth) return bad("nested too deeply");
    Block block;
    while (true) {
      const Token& token = peek();
      if (token.kind == Token::Kind::kEnd) {
        if (ends.size() == 0) return block;
        return bad("expected '" + std::string(*ends.begin()) + "'");
      }
      if (token.kind == Token::Kind::kTagBegin) {
        for (const std::string_view end : ends) {
          if (peek(1).kind == Token::Kind::kName && peek(1).text == end) return block;
        }
        block.push_back(TRY(parse_tag()));
      } else {
        block.push_back(TRY(parse_output()));
      }
    }
  }

  Result<std::unique_ptr<Statement>> parse_output() {
    auto statement = make_statement(Statement::Kind::kText);
    if (peek().kind == Token::Kind::kText) {
      statement->text = next().text;
      return statement;
    }
    next();  // {{
    statement->kind = Statement::Kind::kPrint;
    statement->expression = TRY(parse_tuple());
    if (peek().kind != Token::Kind::kPrintEnd) return bad("unexpected '" + peek().text + "'");
    next();
    return statement;
  }

  std::unique_ptr<Statement> make_statement(Statement::Kind kind) const {
    auto statement = std::make_unique<Statement>();
    statement->kind = kind;
    statement->line = peek().line;
    return statement;
  }

  // Skips "{% name %}" of the end tag that parse_block() stopped at.
  Result<void> close_tag() {
    next();
    next();
    return expect_tag_end();
  }

  Result<std::unique_ptr<Statement>> parse_tag() {
    next();  // {%
    const std::string name = TRY(expect_name());
    if (name == "if") return parse_if();
    if (name == "for") return parse_for();
    if (name == "set") return parse_set();
    if (name == "macro") return parse_macro();
    if (name ==
        "generation") {  // marks the assistant's words for training; prints them as they are
      auto statement = make_statement(Statement::Kind::kGroup);
      TRY(expect_tag_end());
      statement->body = TRY(parse_block({"endgeneration"}));
      TRY(close_tag());
      return statement;
    }
    if (name == "break" || name == "continue") {
      if (num_loops_ == 0) return bad("'" + name + "' outside a loop");
      auto statement =
          make_statement(name == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue);
      TRY(expect_tag_end());
      return statement;
    }
    return bad("the tag '" + name + "' is not implemented");
  }

  Result<std::unique_ptr<Statement>> parse_if() {
    auto statement = make_statement(Statement::Kind::kIf);
    while (true) {
      ExpressionPtr condition = TRY(parse_expression());
      TRY(expect_tag_end());
      Block body = TRY(parse_block({"endif", "elif", "else"}));
      statement->branches.emplace_back(std::move(condition), std::move(body));
      const std::string name = peek(1).text;
      if (name == "elif") {
        next();
        next();
        continue;
      }
      TRY(close_tag());
      if (name == "endif") return statement;
      statement->other = TRY(parse_block({"endif"}));
      TRY(close_tag());
      return statement;
    }
  }

  Result<std::unique_ptr<Statement>> parse_for() {
    auto statement = make_statement(Statement::Kind::kFor);
    TRY(parse_targets(*statement));
    if (!accept_name("in")) return bad("expected 'in'");
    statement->expression = TRY(parse_or());
    if (accept_name("if")) statement->condition = TRY(parse_expression());
    if (is_name("recursive")) return bad("'recursive' is not implemented");
    TRY(expect_tag_end());
    ++num_loops_;
    statement->body = TRY(parse_block({"endfor", "else"}));
    --num_loops_;
    const bool has_else = peek(1).text == "else";
    TRY(close_tag());
    if (has_else) {
      statement->other = TRY(parse_block({"endfor"}));
      TRY(close_tag());
    }
    return statement;
  }

  Result<void> parse_targets(Statement& statement) {
    const bool in_brackets = accept_operator("(");
    do {
      statement.targets.push_back(TRY(expect_name()));
    } while (accept_operator(","));
    return in_brackets ? expect_operator(")") : Result<void>();
  }

  Result<std::unique_ptr<Statement>> parse_set() {
    auto statement = make_statement(Statement::Kind::kSet);
    TRY(parse_targets(*statement));
    if (accept_operator(".")) {
      statement->kind = Statement::Kind::kSetField;
      statement->text = statement->targets[0];
      statement->targets = { TRY(expect_name()) };
    }
    if (accept_operator("=")) {
      statement->expression = TRY(parse_tuple());
      TRY(expect_tag_end());
      return statement;
    }
    if (statement->kind == Statement::Kind::kSetField || statement->targets.size() != 1) {
      return bad("expected '='");
    }
    TRY(expect_tag_end());
    statement->body = TRY(parse_block({"endset"}));
    TRY(close_tag());
    return statement;
  }

  Result<std::unique_ptr<Statement>> parse_macro() {
    auto statement = make_statement(Statement::Kind::kMacro);
    statement->text = TRY(expect_name());
    TRY(expect_operator("("));
    while (!accept_operator(")")) {
      Parameter parameter {
        TRY(expect_name())
        , nullptr
      };
      if (accept_operator("=")) parameter.fallback = TRY(parse_expression());
      statement->parameters.push_back(std::move(parameter));
      if (!is_operator(")")) TRY(expect_operator(","));
    }
    TRY(expect_tag_end());
    const int outer_loops = std::exchange(num_loops_, 0);
    statement->body = TRY(parse_block({"endmacro"}));
    num_loops_ = outer_loops;
    TRY(close_tag());
    return statement;
  }

  Node make(ExpressionKind kind, std::string text = {}) const {
    auto node = std::make_unique<Expression>();
    node->kind = kind;
    node->line = peek().line;
    node->text = std::move(text);
    return node;
  }
  static Node with_children(Node node, Node a, Node b = nullptr, Node c = nullptr) {
    node->children.push_back(std::move(a));
    if (b) node->children.push_back(std::move(b));
    if (c) node->children.push_back(std::move(c));
    return node;
  }

  // a, b, c without brackets.
  Result<Node> parse_tuple() {
    Node first = TRY(parse_expression());
    if (!is_operator(",")) return first;
    Node tuple = with_children(make(ExpressionKind::kTuple), std::move(first));
    while (accept_operator(",")) {
      if (peek().kind == Token::Kind::kPrintEnd || peek().kind == Token::Kind::kTagEnd) break;
      tuple->children.push_back(TRY(parse_expression()));
    }
    return tuple;
  }

  Result<Node> parse_expression() {
    const Nesting nesting(depth_);
    if (depth_ > kMaxDepth) return bad("nested too deeply");
    Node value = TRY(parse_or());
    while (accept_name("if")) {
      Node node = make(ExpressionKind::kConditional);
      Node condition = TRY(parse_or());
      Node other;
      if (accept_name("else")) other = TRY(parse_expression());
      value =
          with_children(std::move(node), std::move(value), std::move(condition), std::move(other));
    }
    return value;
  }

  Result<Node> parse_or() {
    Node left = TRY(parse_and());
    while (accept_name("or")) {
      Node right = TRY(parse_and());
      left = with_children(make(ExpressionKind::kOr), std::move(left), std::move(right));
    }
    return left;
  }

  Result<Node> parse_and() {
    Node left = TRY(parse_not());
    while (accept_name("and")) {
      Node right = TRY(parse_not());
      left = with_children(make(ExpressionKind::kAnd), std::move(left), std::move(right));
    }
    return left;
  }

  Result<Node> parse_not() {
    const Nesting nesting(depth_);
    if (depth_ > kMaxDepth) return bad("nested too deeply");
    if (!accept_name("not")) return parse_comparison();
    Node value = TRY(parse_not());
    return with_children(make(ExpressionKind::kNot), std::move(value));
  }

  // The comparison at hand, or "".
  std::string comparison() {
    for (const std::string_view text : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (accept_operator(text)) return std::string(text);
    }
    if (accept_name("in")) return "in";
    if (is_name("not") && peek(1).kind == Token::Kind::kName && peek(1).text == "in") {
      next();
      next();
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
    if (!comparison().empty()) return bad("chained comparisons are not implemented");
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
        if (found.empty() && !text.empty() && accept_operator(text)) found = std::string(text);
      }
      if (found.empty()) return left;
      Node right = TRY(parse_binary(level + 1));
      left = with_children(make(ExpressionKind::kBinary, found), std::move(left), std::move(right));
    }
  }

  Result<Node> parse_unary() {
    const Nesting nesting(depth_);
    if (depth_ > kMaxDepth) return bad("nested too deeply");
    for (const auto& [text, kind] :
         {std::pair{"-", ExpressionKind::kNegate}, std::pair{"+", ExpressionKind::kPlus}}) {
      if (!accept_operator(text)) continue;
      Node value = TRY(parse_unary());
      return with_children(make(kind), std::move(value));
    }
    Node value = TRY(parse_postfix(TRY(parse_primary())));
    if (is_operator("**")) return bad("'**' is not implemented");
    return parse_filters(std::move(value));
  }

  Result<Node> parse_filters(Node value) {
    while (true) {
      if (accept_operator("|")) {
        Node node = make(ExpressionKind::kFilter, TRY(expect_name()));
        if (!is_known_filter(node->text)) {
          return bad("the filter '" + node->text + "' is not implemented");
        }
        if (accept_operator("(")) TRY(parse_arguments(*node));
        value = with_children(std::move(node), std::move(value));
      } else if (accept_name("is")) {
        value = TRY(parse_test(std::move(value)));
      } else {
        return value;
      }
    }
  }

  Result<Node> parse_test(Node value) {
    const bool is_negated = accept_name("not");
    Node node = make(ExpressionKind::kTest, TRY(expect_name()));
    if (!is_known_test(node->text)) {
      return bad("the test '" + node->text + "' is not implemented");
    }
    if (accept_operator("(")) {
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
    while (!accept_operator(")")) {
      Argument argument;
      if (peek().kind == Token::Kind::kName && peek(1).kind == Token::Kind::kOperator &&
          peek(1).text == "=") {
        argument.name = next().text;
        next();
      } else if (is_operator("*") || is_operator("**")) {
        return bad("unpacked arguments are not implemented");
      }
      argument.value = TRY(parse_expression());
      call.arguments.push_back(std::move(argument));
      if (!is_operator(")")) TRY(expect_operator(","));
    }
    return {};
  }

  Result<Node> parse_postfix(Node value) {
    while (true) {
      if (accept_operator(".")) {
        Node node = make(ExpressionKind::kAttribute, TRY(expect_name()));
        value = with_children(std::move(node), std::move(value));
      } else if (accept_operator("[")) {
        value = TRY(parse_subscript(std::move(value)));
      } else if (accept_operator("(")) {
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
    while (!accept_operator("]")) {
      if (accept_operator(":")) {
        if (++colons > 2) return bad("a slice has too many parts");
      } else {
        if (parts[colons]) return bad("expected ']'");
        parts[colons] = TRY(parse_expression());
      }
    }
    if (colons == 0) {
      if (!parts[0]) return bad("an empty subscript");
      return with_children(make(ExpressionKind::kIndex), std::move(value), std::move(parts[0]));
    }
    Node node = with_children(make(ExpressionKind::kSlice), std::move(value));
    for (Node& part : parts) node->children.push_back(std::move(part));
    return node;
  }

  Result<Node> parse_primary() {
    const Token token = next();
    switch (token.kind) {
      case Token::Kind::kString: {
        Node node = make(ExpressionKind::kLiteral);
        std::string text = token.text;
        while (peek().kind == Token::Kind::kString) text += next().text;
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
        return bad("unexpected '" + token.text + "'");
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
    if (result.ec != std::errc{}) return bad("a number out of range");
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
    if (is_operator(")")) return parse_items(ExpressionKind::kTuple, ")");
    Node first = TRY(parse_expression());
    if (accept_operator(")")) return first;
    TRY(expect_operator(","));
    Node rest = TRY(parse_items(ExpressionKind::kTuple, ")"));
    rest->children.insert(rest->children.begin(), std::move(first));
    return rest;
  }

  Result<Node> parse_items(ExpressionKind kind, std::string_view end) {
    Node node = make(kind);
    while (!accept_operator(end)) {
      node->children.push_back(TRY(parse_expression()));
      if (!is_operator(end)) TRY(expect_operator(","));
    }
    return node;
  }

  Result<Node> parse_dict() {
    Node node = make(ExpressionKind::kDict);
    while (!accept_operator("}")) {
      node->children.push_back(TRY(parse_expression()));
      TRY(expect_operator(":"));
      node->children.push_back(TRY(parse_expression()));
      if (!is_operator("}")) TRY(expect_operator(","));
    }
    return node;
  }

  std::vector<Token> tokens_;
  std::string_view where_;
  std::size_t at_ = 0;
  int depth_ = 0;
  int num_loops_ = 0;
};

}  // namespace

Result<Block> parse_template(std::string_view source, std::string_view where) {
  return Parser(TRY(lex_template(source, where)), where).run();
}

}  // namespace fathom::tokenizer
