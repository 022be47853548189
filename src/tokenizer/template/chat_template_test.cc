// Chat templates: the DeepSeek family's renderings, trust, limits, refusals and folders.
#include "tokenizer/template/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fathom::tokenizer {
namespace {

TEST(ChatTemplate, RendersAMessage) {
  auto parsed = ChatTemplate::parse(
      "{% for m in messages %}{{ m.role }}: {{ m['content'] }}\n{% endfor %}", "t");
  ASSERT_TRUE(parsed) << parsed.error().text();
  auto prompt = parsed->render({.messages = {{"user", "hi"}}});
  ASSERT_TRUE(prompt) << prompt.error().text();
  EXPECT_EQ(prompt->text, "user: hi\n");
}

}  // namespace
}  // namespace fathom::tokenizer
