// Drives a server with OpenAI's official client. Usage: node openai_client.mjs http://HOST:PORT/v1
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({baseURL: process.argv[2], apiKey: "none", maxRetries: 0});
const model = "demo";
const messages = [{role: "user", content: "how do I start the server"}];
const parameters = {
  type: "object",
  properties: {city: {enum: ["Rome", "Oslo"]}},
  required: ["city"],
  additionalProperties: false,
};

const tests = {
  async chats() {
    const answer = await client.chat.completions.create({model, messages, temperature: 0});
    assert.ok(answer.choices[0].message.content);
    assert.equal(answer.usage.total_tokens,
                 answer.usage.prompt_tokens + answer.usage.completion_tokens);
  },

  async streams() {
    const asked = {model, messages, temperature: 0};
    const whole = await client.chat.completions.create(asked);
    const stream = await client.chat.completions.create(
        {...asked, stream: true, stream_options: {include_usage: true}});
    let text = "";
    let usage = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? "";
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
  },

  async calls_tools() {
    const stream = client.chat.completions.stream({
      model, messages, max_tokens: 200, seed: 1, tool_choice: "required",
      tools: [{type: "function", function: {name: "weather", parameters}}],
    });
    const answer = await stream.finalChatCompletion();
    const call = answer.choices[0].message.tool_calls[0];
    assert.equal(call.function.name, "weather");
    assert.ok(["Rome", "Oslo"].includes(JSON.parse(call.function.arguments).city));
  },

  async keeps_a_json_schema() {
    const answer = await client.chat.completions.create({
      model, messages, max_tokens: 200, seed: 2,
      response_format: {type: "json_schema", json_schema: {name: "place", schema: parameters}},
    });
    assert.ok(["Rome", "Oslo"].includes(JSON.parse(answer.choices[0].message.content).city));
  },

  async shows_logprobs() {
    const answer = await client.chat.completions.create(
        {model, messages, max_tokens: 4, temperature: 0, logprobs: true, top_logprobs: 3});
    assert.equal(answer.choices[0].logprobs.content.length, answer.usage.completion_tokens);
    assert.equal(answer.choices[0].logprobs.content[0].top_logprobs.length, 3);
  },

  async completes() {
    const answer = await client.completions.create({model, prompt: "The ", max_tokens: 4, n: 2});
    assert.equal(answer.choices.length, 2);
  },

  async responds() {
    const asked = {model, input: "how do I start the server", temperature: 0};
    const whole = await client.responses.create(asked);
    const stream = client.responses.stream(asked);
    let text = "";
    for await (const event of stream) {
      if (event.type === "response.output_text.delta") text += event.delta;
    }
    const final = await stream.finalResponse();
    assert.equal(text, whole.output_text);
    assert.equal(final.output[0].content[0].text, whole.output_text);
  },

  async embeds() {
    const answer = await client.embeddings.create({model, input: ["a", "b"]});
    assert.equal(answer.data.length, 2);
    const length = answer.data[0].embedding.reduce((sum, value) => sum + value * value, 0);
    assert.ok(Math.abs(length - 1) < 1e-3);
  },

  async lists_models() {
    const models = await client.models.list();
    assert.deepEqual(models.data.map((each) => each.id), [model]);
  },

  async raises_errors() {
    await assert.rejects(client.chat.completions.create({model: "gpt-4", messages}),
                         OpenAI.NotFoundError);
    await assert.rejects(client.chat.completions.create({model, messages, temperature: 9}),
                         (error) => error instanceof OpenAI.BadRequestError &&
                             error.param === "temperature");
  },
};

for (const [name, test] of Object.entries(tests)) {
  await test();
  console.log(`${name}: passed`);
}
console.log("all passed");
