"""The official OpenAI client against the real server: tools, forms, and the smaller endpoints."""
import json
import math
import re
import urllib.error
import urllib.request

import openai
import pytest

from conftest import SOURCE

EXAMPLES = re.findall(r"```\nPOST (\S+)\n(.*?)```", (SOURCE / "docs/api.md").read_text(), re.S)
QUESTION = [{"role": "user", "content": "how do I start the server"}]
CITIES = {"type": "object", "properties": {"city": {"enum": ["Rome", "Oslo"]}},
          "required": ["city"], "additionalProperties": False}
WEATHER = {"type": "function",
           "function": {"name": "weather", "description": "Says the weather", "parameters": CITIES}}


@pytest.fixture
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0, timeout=60)


def post(server, path, **body):
    request = urllib.request.Request(server.url + path, json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))


@pytest.mark.parametrize("path, body", EXAMPLES)
def test_the_examples_of_the_docs(server, path, body):
    assert post(server, path, **json.loads(body))


def test_several_answers_count_their_seeds_on(client):
    def ask(**more):
        answer = client.chat.completions.create(model="demo", messages=QUESTION, max_tokens=12,
                                                **more)
        return [choice.message.content for choice in answer.choices]
    together = ask(n=3, seed=5)
    assert together == [ask(seed=seed)[0] for seed in (5, 6, 7)]


def test_logprobs_of_a_chat(client):
    answer = client.chat.completions.create(model="demo", messages=QUESTION, max_tokens=6,
                                            temperature=0, logprobs=True, top_logprobs=4)
    content = answer.choices[0].logprobs.content
    assert len(content) == answer.usage.completion_tokens
    for token in content:
        assert token.logprob <= 0 and len(token.top_logprobs) == 4
        assert token.top_logprobs[0].token == token.token  # greedy
        assert bytes(token.bytes).decode(errors="replace") == token.token
    stream = client.chat.completions.create(model="demo", messages=QUESTION, max_tokens=6,
                                            temperature=0, logprobs=True, top_logprobs=4,
                                            stream=True)
    streamed = [token for chunk in stream if chunk.choices and chunk.choices[0].logprobs
                for token in chunk.choices[0].logprobs.content]
    assert [t.logprob for t in streamed] == [t.logprob for t in content]


@pytest.mark.parametrize("choice", ["required",
                                    {"type": "function", "function": {"name": "weather"}}])
def test_forced_calls_conform(client, choice):
    asked = dict(model="demo", messages=QUESTION, tools=[WEATHER], tool_choice=choice, seed=1,
                 max_tokens=200)
    answer = client.chat.completions.create(**asked)
    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments)["city"] in ("Rome", "Oslo")
    pieces = [call for chunk in client.chat.completions.create(stream=True, **asked)
              if chunk.choices for call in chunk.choices[0].delta.tool_calls or []]
    assert pieces[0].function.name == "weather" and pieces[0].id
    assert "".join(p.function.arguments or "" for p in pieces) == call.function.arguments


def test_answers_a_tools_result(client):
    call = {"id": "c1", "type": "function",
            "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    answer = client.chat.completions.create(
        model="demo", max_tokens=8, tools=[WEATHER],
        messages=[*QUESTION, {"role": "assistant", "tool_calls": [call]},
                  {"role": "tool", "tool_call_id": "c1", "content": "sunny"}])
    assert answer.usage.completion_tokens > 0


def test_a_json_schema_is_kept(client):
    schema = {"type": "object",
              "properties": {"ok": {"type": "boolean"}, "size": {"enum": ["small", "large"]}},
              "required": ["ok", "size"], "additionalProperties": False}
    answer = client.chat.completions.create(
        model="demo", messages=QUESTION, seed=3, max_tokens=200,
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}})
    value = json.loads(answer.choices[0].message.content)
    assert isinstance(value["ok"], bool) and value["size"] in ("small", "large")
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(
            model="demo", messages=QUESTION,
            response_format={"type": "json_schema",
                             "json_schema": {"name": "a", "schema": {"type": "nonsense"}}})


def test_a_choice_is_kept(client):
    answer = client.completions.create(model="demo", prompt="Yes or no? ", seed=1,
                                       extra_body={"structured_outputs": {"choice": ["yes", "no"]}})
    assert answer.choices[0].text in ("yes", "no")


def test_completions_echo_and_suffix(client):
    answer = client.completions.create(model="demo", prompt="The ", max_tokens=4, temperature=0,
                                       echo=True, logprobs=2)
    logprobs = answer.choices[0].logprobs
    assert answer.choices[0].text.startswith("The ")
    assert len(logprobs.tokens) == answer.usage.total_tokens
    assert logprobs.token_logprobs[0] is None and logprobs.token_logprobs[1] < 0
    assert len(logprobs.top_logprobs[-1]) >= 2
    with pytest.raises(openai.BadRequestError) as error:
        client.completions.create(model="demo", prompt="def f(", suffix="return x")
    assert error.value.param == "suffix"


def test_lists_of_prompts(client):
    answer = client.completions.create(model="demo", prompt=["The ", "春"], n=2, max_tokens=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert answer.usage.completion_tokens <= 12


def test_responses(client):
    asked = dict(model="demo", input="how do I start the server", temperature=0)
    whole = client.responses.create(**asked)
    assert whole.status == "completed" and whole.output_text
    assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens
    with client.responses.stream(**asked) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == whole.output_text
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert text == whole.output_text
    with pytest.raises(openai.BadRequestError) as error:
        client.responses.create(previous_response_id="resp_1", **asked)
    assert error.value.param == "previous_response_id"


def test_responses_call_functions(client):
    answer = client.responses.create(
        model="demo", input="weather?", tool_choice="required", max_output_tokens=200,
        tools=[{"type": "function", "name": "weather", "parameters": CITIES, "strict": True}])
    call = answer.output[0]
    assert call.type == "function_call" and call.name == "weather"
    assert json.loads(call.arguments)["city"] in ("Rome", "Oslo")


def test_embeddings(client):
    texts = ["the server", "die Größe", "春"]
    together = client.embeddings.create(model="demo", input=texts)  # asks for base64
    for index, text in enumerate(texts):
        alone = client.embeddings.create(model="demo", input=text, encoding_format="float").data[0]
        values = together.data[index].embedding
        assert math.isclose(sum(v * v for v in values), 1.0, rel_tol=1e-3)
        assert all(math.isclose(a, b, abs_tol=1e-5) for a, b in zip(values, alone.embedding))
    last = client.embeddings.create(model="demo", input=texts[0], extra_body={"pooling": "last"})
    assert last.data[0].embedding != together.data[0].embedding
    with pytest.raises(openai.BadRequestError) as error:
        client.embeddings.create(model="demo", input="x", dimensions=3)
    assert error.value.param == "dimensions"


def test_tokens_and_back(server):
    answer = post(server, "/tokenize", prompt="Hello Führer", return_token_strs=True)
    assert answer["tokens"] == [4094, 39, 3964, 374, 127, 120, 71, 81, 261]
    assert answer["count"] == 9 and len(answer["token_strs"]) == 9
    assert post(server, "/detokenize", tokens=answer["tokens"][1:]) == {"prompt": "Hello Führer"}
    prompt = post(server, "/apply-template", messages=QUESTION)["prompt"]
    chat = post(server, "/tokenize", messages=QUESTION)["tokens"]
    assert chat == post(server, "/tokenize", prompt=prompt, add_special_tokens=False)["tokens"]


def test_probes(server):
    for path in ("/health", "/livez", "/readyz"):
        assert json.load(urllib.request.urlopen(server.url + path)) == {"status": "ok"}
        head = urllib.request.Request(server.url + path, method="HEAD")
        assert urllib.request.urlopen(head).status == 200
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(server.url + "/v1/chat/completions")
    assert error.value.code == 405


def test_unknown_fields_are_refused_by_name(client):
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(model="demo", messages=QUESTION,
                                       extra_body={"no_such_field": 1})
    assert error.value.param == "no_such_field"


def test_timings_and_context(client):
    answer = client.chat.completions.create(model="demo", messages=QUESTION, max_tokens=5,
                                            extra_body={"timings": True})
    assert {"queue_ms", "prefill_ms", "decode_ms", "paused_ms"} <= set(answer.timings)
    context = answer.usage.context
    assert context["reserved"] == answer.usage.prompt_tokens + 5
    assert context["used"] == answer.usage.total_tokens <= context["limit"]


def test_bad_words_do_not_come(client):
    asked = dict(model="demo", messages=[{"role": "user", "content": "how do I start the server"}],
                 temperature=0, max_tokens=12)
    word = client.chat.completions.create(**asked).choices[0].message.content.split(":")[0].strip()
    other = client.chat.completions.create(**asked, extra_body={"bad_words": [word]})
    assert word and word not in other.choices[0].message.content


def test_each_field_does_what_it_says(client):
    def ask(**fields):
        answer = client.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": "how do I start the server"}],
            temperature=0, max_tokens=8, extra_body={"return_token_ids": True, **fields})
        return answer, answer.choices[0].model_extra["token_ids"]

    plain, tokens = ask()
    assert ask(stop_token_ids=[tokens[3]])[1] == tokens[:4]
    longer = ask(stop_token_ids=[tokens[3]], min_tokens=6)[1]
    assert len(longer) >= 6 and tokens[3] not in longer[:6]
    assert ask(allowed_token_ids=[tokens[0]])[1] == [tokens[0]] * 8
    assert ask(logit_bias={str(tokens[1]): 100})[1] == [tokens[1]] * 8
    cut, _ = ask(truncate_prompt_tokens=4)
    assert cut.model_extra["prompt_token_ids"] == plain.model_extra["prompt_token_ids"][-4:]
    assert cut.usage.prompt_tokens == 4
    bare, _ = ask(add_generation_prompt=False)
    assert bare.usage.prompt_tokens < plain.usage.prompt_tokens
    scored, _ = ask(prompt_logprobs=2)
    assert len(scored.model_extra["prompt_logprobs"]) == plain.usage.prompt_tokens
    assert ask(request_id="abc-1")[0].id == "chatcmpl-abc-1"
    assert len(ask(n=16)[0].choices) == 16
    assert ask(chat_template_kwargs={"enable_thinking": False}, priority=-3)[1] == tokens
    with pytest.raises(openai.BadRequestError) as refused:
        ask(chat_template="{{ messages }}")
    assert refused.value.param == "chat_template"
