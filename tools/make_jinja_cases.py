#!/usr/bin/env python3
"""Writes tests/data/templates/jinja_cases.json: templates with what jinja2 renders or refuses.

Needs jinja2 3.1 (PyPI). The environment is the one of transformers' apply_chat_template:
ImmutableSandboxedEnvironment, trim_blocks, lstrip_blocks, loop controls, its tojson and
raise_exception. The committed file is made with the defaults; other seeds and more random cases
search further (FATHOM_JINJA_CASES names the file to the test).
"""

import argparse
import json
import pathlib
import random
import warnings

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(Extension):
    """{% generation %} as a block that prints its body in a scope of its own."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        call = self.call_method("body_text")
        return nodes.CallBlock(call, [], [], body).set_lineno(line)

    def body_text(self, caller):
        return caller()


def environment():
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(
            value,
            ensure_ascii=ensure_ascii,
            indent=indent,
            separators=separators,
            sort_keys=sort_keys,
        )

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


CONTEXT = {
    "messages": [
        {"role": "system", "content": "  Be brief. "},
        {"role": "user", "content": "Grüße, 世界! <b>&'\"</b>\n\tx"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "type": "function",
                    "function": {"name": "f", "arguments": {"q": "é", "n": [1, 2.5, None, True]}},
                }
            ],
        },
        {"role": "tool", "content": "42"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nDone."},
    ],
    "tools": [{"name": "f", "parameters": {"type": "object", "properties": {"b": 1, "a": 2}}}],
    "add_generation_prompt": True,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "n": 7,
    "zero": 0,
    "neg": -3,
    "pi": 3.14159,
    "yes": True,
    "no": False,
    "nothing": None,
    "empty": "",
    "name": "héllo wörld",
    "words": ["pear", "Apple", "fig", "apple"],
    "nums": [3, 1, 2, 3],
    "pairs": [["a", 1], ["b", 2]],
    "people": [
        {"name": "Bo", "age": 30, "on": True},
        {"name": "al", "age": 25, "on": False},
        {"name": "Cy", "age": 35, "on": True, "tag": {"id": 9}},
    ],
    "obj": {"k": "v", "items": 5, "n": {"m": [10, 20]}},
}

# One line a feature. Lines that fail in jinja2 must fail here too.
HAND_WRITTEN = r"""
plain text
{{ name }}
{{name}}{{ n }}
{{ missing }}|
{{ missing.x }}
{{ missing['x'] }}
{{ missing + 'a' }}
{{ missing ~ 'a' }}
{{ missing() }}
{{ obj.missing }}|{{ obj['missing'] }}|
{{ obj.missing.deeper }}
{{ obj.k }}{{ obj['k'] }}{{ obj.n.m[1] }}{{ obj.n.m.0 }}{{ obj['n']['m'][-1] }}
{{ obj['items'] }}
{% for k, v in obj.items() %}{{ k }}={{ v }};{% endfor %}
{{ obj.items }}{{ 1 / 0 }}
{{ obj.get('k') }}{{ obj.get('zz') }}{{ obj.get('zz', 'd') }}
{{ obj.keys() | list }}{{ obj.values() | list }}
{{ obj }}
{{ words }}{{ nums }}{{ people }}
{{ [1, 'a', none, true, 2.0, (1,), (), {'x': 1}] }}
{{ 'a\'b' }} {{ ["it's", 'say "hi"', 'both \' and "', 'tab\t nl\n \\ é \x01 '] }}
{{ 'esc: \n\t\\ \x41 \u00e9 \U0001F600 \101 \q' }}
{{ "a" "b" 'c' }}
{{ 1 + 2 * 3 - 4 }} {{ 7 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }}
{{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 2.5 ** 2 }}
{{ 1.5 + 1 }} {{ 3.0 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 1e16 }} {{ 123456789012345.6 }} {{ 1e22 }} {{ 0.1 + 0.2 }}
{{ 7.5 // 2 }} {{ -7.5 // 2 }} {{ 7.5 % 2 }} {{ -7.5 % 2 }} {{ 7 % -2.5 }}
{{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 1.0 / 0 }}
{{ true + true }} {{ not true }} {{ True and False }} {{ None }} {{ none }}
{{ 'a' + 'b' }} {{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ 'a' * 0 }} {{ 'a' * -1 }} {{ [1] * 2 }} {{ [1] + [2] }} {{ (1,) + (2,) }}
{{ 'a' + 1 }}
{{ 1 + 'a' }}
{{ [1] + (2,) }}
{{ 'a' - 'b' }}
{{ 'a' ~ 1 ~ none ~ true ~ 1.5 ~ [1] ~ missing }}
{{ 1 < 2 }} {{ 2 <= 2 }} {{ 3 > 4 }} {{ 1 == 1.0 }} {{ 1 != 2 }} {{ 'a' < 'b' }} {{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ [1, 2] < [1, 3] }}
{{ 'a' < 1 }}
{{ none < 1 }}
{{ missing < 1 }}
{{ missing == missing }} {{ missing == none }} {{ missing == '' }} {{ none == none }} {{ 1 == '1' }} {{ true == 1 }}
{{ {'a': 1} == {'a': 1.0} }} {{ [1, [2]] == [1, [2]] }} {{ (1,) == [1] }}
{{ 'a' in 'cat' }} {{ 'x' not in 'cat' }} {{ 1 in [1] }} {{ 'k' in obj }} {{ 'q' in obj }} {{ '' in 'x' }} {{ 1 in missing }}
{{ 1 in 'a' }}
{{ 1 in 5 }}
{{ not 1 in [2] }} {{ not not 1 }} {{ not 'a' == 'b' }}
{{ 0 or 'x' }} {{ 1 and 'y' }} {{ '' or none or [] }} {{ 1 or missing.x }}
{{ 'a' if yes else 'b' }} {{ 'a' if no else 'b' }} {{ 'a' if no }}| {{ 1 if no else 2 if no else 3 }}
{{ (1 if yes else 2) + 1 }} {{ ('x' if yes) ~ 'y' }}
{{ 'a' if no }}{{ ('a' if no) is defined }}
{{ -n }} {{ +n }} {{ - -n }} {{ -pi }} {{ -yes }}
{{ -'a' }}
{{ -missing }}
{{ neg | abs }} {{ -3 | abs }} {{ (-3) | abs }} {{ -n.real if no }}
{{ name[0] }}{{ name[1] }}{{ name[-1] }}{{ name[99] }}|
{{ name[1:4] }}|{{ name[:2] }}|{{ name[-3:] }}|{{ name[::2] }}|{{ name[::-1] }}|{{ name[5:1] }}|{{ name[5:1:-1] }}|{{ name[-99:99] }}|{{ name[:] }}
{{ nums[1:] }}{{ nums[::-1] }}{{ nums[:-1] }}{{ nums[-2:] }}{{ nums[::2] }}{{ nums[10:] }}{{ nums[none:2] }}{{ nums[3::-2] }}
{{ nums[::0] }}
{{ (1, 2, 3)[1:] }}{{ (1, 2, 3)[-1] }}
{{ nums['a'] }}|{{ nums[9] }}|{{ n[0] }}|{{ none[0] }}|
{{ missing[1:] }}
{{ name['upper'] is defined }}
{% if n > 5 %}big{% elif n > 3 %}mid{% else %}small{% endif %}
{% if zero %}a{% elif '' %}b{% elif [] %}c{% elif {} %}d{% elif none %}e{% elif missing %}f{% elif 0.0 %}g{% else %}h{% endif %}
{% if not yes %}a{% endif %}{% if yes and not no or missing %}b{% endif %}
{% for x in nums %}{{ x }},{% endfor %}
{% for x in [] %}{{ x }}{% else %}none{% endfor %}
{% for x in missing %}{{ x }}{% else %}none{% endfor %}
{% for x in nums if x > 1 %}{{ loop.index }}:{{ x }}/{{ loop.length }} {% else %}no{% endfor %}
{% for x in nums if x > 9 %}{{ x }}{% else %}no{% endfor %}
{% for x in nums %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}
{% for x in nums %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}
{% for x in nums %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }};{% endfor %}
{% for x in nums %}{{ loop.cycle('odd', 'even') }}{% endfor %}
{% for x in nums %}{% for y in 'ab' %}{{ loop.depth }}{{ y }}{% endfor %}{{ loop.index }}{% endfor %}
{% for x in 5 %}{{ x }}{% endfor %}
{% for x in none %}{{ x }}{% endfor %}
{% for c in 'añb' %}[{{ c }}]{% endfor %}
{% for k in obj %}{{ k }},{% endfor %}
{% for a, b in pairs %}{{ a }}{{ b }}{% endfor %}
{% for (a, b) in pairs %}{{ a }}{{ b }}{% endfor %}
{% for a, b, c in pairs %}{{ a }}{% endfor %}
{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for x in nums %}{% if x == 1 %}{% continue %}{% endif %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in nums %}{% break %}{% else %}else{% endfor %}done
{% for x in nums %}{% set y = x %}{% endfor %}{{ y }}|
{% set y = 1 %}{% for x in nums %}{% set y = y + x %}{{ y }},{% endfor %}{{ y }}
{% set ns = namespace(c=0) %}{% for x in nums %}{% set ns.c = ns.c + x %}{% endfor %}{{ ns.c }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{{ ns.zz }}{{ ns['a'] }}|
{% set ns = namespace() %}{% set ns.x = 'a' %}{{ ns.x }}{{ ns.y is defined }}
{% set obj.k = 1 %}{{ obj.k }}
{% set missing.k = 1 %}
{% set a = 1 %}{% set b = a + 1 %}{{ a }}{{ b }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set a, b = 1 %}
{% set a, b = [1, 2, 3] %}
{% set t = 1, 2 %}{{ t }}
{% set x %}abc {{ n }}{% endset %}[{{ x }}]
{% set x | upper | trim %} abc {% endset %}[{{ x }}]
{% set x %}{% set inner = 1 %}{% endset %}{{ inner }}|
{% if yes %}{% set z = 1 %}{% endif %}{{ z }}
{% if no %}{% set z = 1 %}{% endif %}{{ z }}|
{% macro m(a, b='x', c=none) %}<{{ a }}{{ b }}{{ c }}>{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(1, c=3) }}{{ m(b=1, a=2) }}{{ m() }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(z=2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}
{% macro m() %}{{ n }}{{ late }}{% endmacro %}{% set late = 'L' %}{{ m() }}
{% macro f(k) %}{{ k }}{% if k > 0 %}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(4) }}
{% macro m() %} x {% endmacro %}[{{ m() | trim }}]{{ m() ~ 'y' }}
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(3) }}
{% for x in nums %}{{ m(x) if m is defined else x }}{% endfor %}{% macro m(a) %}({{ a }}){% endmacro %}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}|
{% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}|
{% filter upper %}abc {{ name }}{% endfilter %}
{% filter replace('a', 'b') | upper %}aaa{% endfilter %}
{% generation %}x{{ n }}{% endgeneration %}y
{% generation %}{% set g = 1 %}{{ g }}{% endgeneration %}{{ g }}|
{% raw %}{{ not }} {% a %}{% endraw %}
a {%- raw -%} {{ x }} {%- endraw -%} b
{# comment {{ x }} #}text
a {#- c -#} b
{% if yes -%}   x   {%- endif %}
a {{- 'b' -}} c
{{ 'x' }} {{- 'y' }}
{{ raise_exception('boom') }}
{{ raise_exception('a' ~ n) }}
{% if no %}{{ raise_exception('never') }}{% endif %}ok
{{ range(3) | list }} {{ range(1, 4) | list }} {{ range(5, 0, -2) | list }} {{ range(0) | list }}
{% for i in range(3) %}{{ i }}{% endfor %}
{{ range(1000000) }}
{{ range(1, 2, 0) | list }}
{{ range('a') }}
{{ dict(a=1, b='x') }} {{ dict({'z': 1}, a=2) }}
{{ {'a': 1, 'b': {'c': [1]}}['b']['c'][0] }} {{ {'a': 1}.a }} {{ {1: 'x', 'a': 2, 1.0: 'y'} }}
{{ {[1]: 2} }}
{{ {} }} {{ [] }} {{ () }} {{ (1) }} {{ (1,) }} {{ [1,] }} {{ {'a': 1,} }}
{{ 1, 2 }}
{{ name | upper }} {{ name | lower }} {{ name | title }} {{ name | capitalize }} {{ 'STRASSE ß' | upper }} {{ 'aBC dEF-gHI (jK' | title }}
{{ 'hello wOrld-x 2nd' | title }} {{ 'hELLO' | capitalize }} {{ n | upper }} {{ missing | upper }}|
{{ '  a b ' | trim }}| {{ 'xxaxx' | trim('x') }}| {{ '\u3000全角\u00a0' | trim }}| {{ n | trim }} {{ '' | trim }}|
{{ name | length }} {{ words | length }} {{ obj | length }} {{ missing | length }} {{ '世界' | length }} {{ words | count }}
{{ n | length }}
{{ none | length }}
{{ words | first }} {{ words | last }} {{ 'abc' | first }} {{ 'abc' | last }} {{ [] | first }}| {{ [] | last }}| {{ obj | first }} {{ missing | first }}|
{{ n | first }}
{{ words | join(', ') }} {{ nums | join }} {{ nums | join('-') }} {{ people | join(',', attribute='name') }} {{ 'abc' | join('.') }} {{ missing | join(',') }}|
{{ [1, [2], none] | join('/') }}
{{ n | join }}
{{ 'aXbXc' | replace('X', '-') }} {{ 'aaa' | replace('a', 'b', 2) }} {{ 'abc' | replace('', '-') }} {{ 'abc' | replace('', '-', 2) }} {{ n | replace(7, 8) }} {{ '' | replace('', 'x') }}
{{ missing | default('d') }} {{ none | default('d') }} {{ '' | default('d', true) }} {{ '' | default('d') }}| {{ missing | d('x') }} {{ zero | default(5, boolean=true) }} {{ missing | default }}| {{ missing.a | default('q') if no else 'r' }}
{{ missing.a | default('q') }}
{{ words | list }} {{ 'abc' | list }} {{ obj | list }} {{ missing | list }} {{ (1, 2) | list }}
{{ 5 | list }}
{% for k, v in obj | items %}{{ k }}:{{ v }};{% endfor %}{% for k, v in missing | items %}x{% endfor %}
{{ n | items | list }}
{{ n | string }}{{ none | string }}{{ [1, 'a'] | string }}{{ missing | string }}|{{ true | string }}
{{ '42' | int }} {{ ' 42 ' | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ '3.7' | int }} {{ 3.9 | int }} {{ -3.9 | int }} {{ none | int }} {{ '1_000' | int }} {{ '+5' | int }} {{ '1e3' | int }} {{ true | int }} {{ [] | int }} {{ '' | int }} {{ 'inf' | int }}
{{ missing | int }}
{{ '1.5' | float }} {{ 'x' | float }} {{ 2 | float }} {{ 'x' | float(1.5) }} {{ ' 1e3 ' | float }} {{ 'inf' | float }} {{ 'nan' | float }} {{ '-.5' | float }} {{ '5.' | float }} {{ none | float }}
{{ 3.14159 | round(2) }} {{ 2.5 | round }} {{ 3.5 | round }} {{ 7 | round }} {{ 2.1 | round(0, 'ceil') }} {{ 2.9 | round(method='floor') }} {{ 2.675 | round(2) }} {{ -2.5 | round }}
{{ 5 | abs }} {{ -5.5 | abs }}
{{ words | reverse | list }} {{ 'abc' | reverse }} {{ nums | sort }} {{ nums | sort(reverse=true) }} {{ words | sort }} {{ words | sort(case_sensitive=true) }}
{{ people | sort(attribute='age') | map(attribute='name') | join(',') }} {{ people | sort(attribute='name') | map(attribute='name') | list }}
{{ [1, 'a'] | sort }}
{{ nums | min }} {{ nums | max }} {{ nums | sum }} {{ people | sum(attribute='age') }} {{ words | min }} {{ words | max }} {{ [] | min }}| {{ [] | sum }} {{ [1.5, 2] | sum }} {{ people | map(attribute='age') | max }}
{{ nums | unique | list }} {{ words | unique | list }} {{ words | unique(case_sensitive=true) | list }}
{{ obj | dictsort }} {{ {'b': 1, 'A': 2} | dictsort }} {{ {'b': 1, 'A': 2} | dictsort(true) }} {{ {'b': 1, 'A': 2} | dictsort(false, 'value') }} {{ {'b': 1, 'A': 2} | dictsort(reverse=true) }}
{{ words | map('upper') | list }} {{ words | map('length') | list }} {{ people | map(attribute='tag.id') | list }} {{ people | map(attribute='tag', default='-') | list }} {{ words | map('replace', 'p', 'b') | join(' ') }}
{{ people | map(attribute='tag.id', default='-') | list }}
{{ nums | select('odd') | list }} {{ nums | reject('odd') | list }} {{ [0, 1, '', 'a'] | select | list }} {{ [0, 1] | reject | list }} {{ nums | select('gt', 1) | list }} {{ nums | select('in', [1, 2]) | list }} {{ nums | select('==', 3) | list }}
{{ people | selectattr('on') | map(attribute='name') | list }} {{ people | rejectattr('on') | map(attribute='name') | list }} {{ people | selectattr('age', 'gt', 28) | list | length }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ people | selectattr('tag') | list | length }} {{ people | selectattr('tag', 'defined') | list | length }}
{{ people | selectattr('on') | length }}
{% if people | selectattr('nope') %}always{% endif %}{{ words | map('upper') | first }}
{% set g = words | map('upper') %}{{ g | list }}{{ g | list }}
{{ (words | map('upper'))[0] }}|
{{ words | map('upper') | last }}
{{ 'a\nb\n\nc' | indent }}| {{ 'a\nb' | indent(2) }}| {{ 'a\nb' | indent(2, true) }}| {{ 'a\n\nb' | indent(2, blank=true) }}| {{ 'a\nb' | indent('>>') }}| {{ 'a\n' | indent }}| {{ '' | indent(2, first=true) }}|
{{ obj | tojson }} {{ people | tojson }} {{ name | tojson }} {{ messages[1].content | tojson }} {{ none | tojson }} {{ [1.0, 1e20, true, 'é', '\x01\x7f\u2028😀'] | tojson }} {{ {1: 2, none: 3, true: 4, 1.5: 5} | tojson }}
{{ obj | tojson(indent=2) }} {{ [] | tojson(indent=2) }} {{ {} | tojson(indent=2) }} {{ [1, [2, {}]] | tojson(indent=4) }} {{ obj | tojson(indent='>') }}
{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ 'é😀' | tojson(ensure_ascii=true) }} {{ [1, {'a': 2}] | tojson(separators=(',', ':')) }} {{ (1, 2) | tojson }}
{{ missing | tojson }}
{{ obj.items() | tojson }}
{{ missing is defined }} {{ n is defined }} {{ missing is undefined }} {{ missing is not defined }} {{ obj.zz is defined }} {{ obj.k is defined }}
{{ none is none }} {{ n is none }} {{ nothing is none }} {{ missing is none }} {{ nothing is not none }}
{{ 'a' is string }} {{ n is string }} {{ n is number }} {{ pi is number }} {{ 'a' is number }} {{ yes is number }} {{ n is integer }} {{ yes is integer }} {{ pi is float }} {{ n is float }} {{ yes is boolean }} {{ n is boolean }}
{{ yes is true }} {{ no is false }} {{ 1 is true }} {{ no is true }}
{{ obj is mapping }} {{ words is mapping }} {{ words is iterable }} {{ 'a' is iterable }} {{ n is iterable }} {{ obj is iterable }} {{ missing is iterable }} {{ none is iterable }}
{{ words is sequence }} {{ 'a' is sequence }} {{ obj is sequence }} {{ n is sequence }} {{ missing is sequence }} {{ none is sequence }} {{ obj.items() is sequence }} {{ (1, 2) is sequence }}
{{ range is callable }} {{ n is callable }} {{ obj.get is callable }}
{{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ 3 is eq 3 }} {{ 3 is equalto(4) }} {{ 3 is ne 4 }} {{ 3 is lt 4 }} {{ 3 is gt 4 }} {{ 3 is ge 3 }} {{ 3 is le 2 }} {{ 3 is in [3] }} {{ 3 is not in [3] }}
{{ 'a' is odd }}
{{ 'ABC' is upper }} {{ 'abc' is lower }} {{ 'aBc' is upper }} {{ '12' is lower }} {{ 'upper' is filter }} {{ 'zzz' is filter }} {{ 'odd' is test }}
{{ n is defined and n is number or no }} {{ not n is defined }} {{ n is not number }}
{{ n is number is defined }}
{{ ' a '.strip() }}|{{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'abcba'.strip('ab') }}|{{ 'xax'.lstrip('x') }}|{{ 'xax'.rstrip('x') }}|{{ 'aaa'.strip('a') }}|
{{ 'a,b,c'.split(',') }} {{ 'a b  c '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a b c'.split(none, 1) }} {{ 'abc'.split('x') }} {{ ''.split() }} {{ ''.split(',') }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ' a  b c '.rsplit(none, 1) }} {{ 'aaa'.split('aa') }} {{ 'aaa'.rsplit('aa') }} {{ 'a,b'.split(sep=',', maxsplit=0) }} {{ ' a b '.split(none, 0) }} {{ 'a b'.rsplit(none, 0) }}
{{ 'abc'.split('') }}
{{ messages[4].content.split('</think>')[-1].lstrip('\n') }} {{ messages[4]['content'].split('</think>')[0].split('<think>')[-1].strip() }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith('bc') }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.startswith('') }}
{{ 'abc'.startswith(1) }}
{{ 'abcabc'.replace('b', 'X') }} {{ 'abcabc'.replace('b', 'X', 1) }} {{ 'abc'.upper() }} {{ 'ABC'.lower() }} {{ "they're bill's".title() }} {{ 'hELLO w'.capitalize() }}
{{ 'héllo'.find('l') }} {{ 'abc'.find('x') }} {{ 'abcabc'.rfind('b') }} {{ 'abcabc'.count('b') }} {{ 'aaa'.count('aa') }} {{ 'abc'.count('') }} {{ 'x'.find('') }} {{ 'abc'.rfind('') }}
{{ ', '.join(words) }} {{ ''.join('abc') }} {{ '-'.join([]) }}
{{ ', '.join(nums) }}
{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x-suffix'.removesuffix('-suffix') }} {{ 'x'.removeprefix('y') }}
{{ 'a\nb\r\nc\n'.splitlines() }} {{ 'a\nb'.splitlines(true) }} {{ ''.splitlines() }}
{{ [1, 2, 1].count(1) }} {{ [1, 2].index(2) }} {{ (1, 2).index(2) }}
{{ [1].index(5) }}
{{ n.strip() }}
{{ words.strip() }}
{{ none.split() }}
{{ words.append('x') }}
{{ obj.update({'a': 1}) }}
{{ obj.pop('k') }}
{{ name.__class__ }}
{{ ''.__class__.__mro__ }}
{{ obj.__class__ }}
{{ name['__class__'] }}
{{ n.foo }}|{{ name.foo }}|{{ words.foo }}|
{{ n.foo.bar }}
{{ n() }}
{{ 'a'() }}
{{ words | nosuchfilter }}
{{ n is nosuchtest }}
{% nosuchtag %}
{% if yes %}
{% for x in nums %}
{% endif %}
{% endfor %}
{% else %}
{{ }}
{{ 1 + }}
{{ (1 }}
{{ [1 }}
{{ 1) }}
{{ 'abc }}
{{ a b }}
{{ 1
{% if %}x{% endif %}
{% set = 1 %}
{% set x %}
{% for in nums %}{% endfor %}
{% for x nums %}{% endfor %}
{% for loop in nums %}{% endfor %}
{% set true = 1 %}
{% set 1 = 1 %}
{% break %}
{# never closed
{% raw %} never closed
{{ @ }}
{{ a ? b }}
{{ f(a=1, 2) }}
{{ '%s' }} {{ '{}' }}
{{ "\x4" }}
{{ messages[0]['role'] }}{{ messages[0].content | trim }}{{ messages | length }}{{ messages[-1].role }}
{% for m in messages[1:] %}{{ m.role }}{{ loop.last }};{% endfor %}
{% for m in messages %}{% if m.content is string %}{{ m.content | length }}{% else %}-{% endif %}{% endfor %}
{% for m in messages %}{{ m['tool_calls'] is defined }}{{ 'tool_calls' in m }};{% endfor %}
{% for m in messages if m.role != 'system' %}{{ loop.index0 }}{{ m.role }} {% endfor %}
{% for m in messages %}{% if m.tool_calls %}{% for t in m.tool_calls %}{{ t.function.name }}({{ t.function.arguments | tojson }}){% endfor %}{% endif %}{% endfor %}
{% set ns = namespace(found=false) %}{% for m in messages %}{% if m['role'] == 'system' %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.found }}
{%- set system = messages[0]['content'] if messages[0]['role'] == 'system' else '' -%}{{ system | trim }}
{{ bos_token }}{{ eos_token }}{{ pad_token }}|{{ bos_token + 'x' }}
{{ pad_token + 'x' }}
{{ tools | tojson }}{% for t in tools %}{{ t['parameters'].properties | tojson }}{% endfor %}
{{ 9223372036854775807 }} {{ -9223372036854775807 }}
{{ [[1, 2], [3]] | sum(start=[]) }}
{{ 'a' in ['a', 'b'] and 'c' not in ['a'] }} {{ 'x' ~ ('a' in 'abc') }}
{{ ('a', 'b') }}{{ ('a') }}{{ 'a', }}
{{ nums | sort | first + 1 }}
{{ nums | length > 3 }} {{ nums | length == 4 and yes }} {{ 10 - nums | length }} {{ '%d' | length }}
{{ name | replace('l', 'L') | upper | length }} {{ words | map('first') | join | upper }}
{{ loop }}|{{ loop is defined }}
{{ {'a': {'b': 1}}.a.b }}{{ {'get': 1}['get'] }}
{{ 'a;b' }}{{ '}}' }}{{ '%}' }}{{ "{{" }}
"""

# Whole templates, where white space and lines matter.
BLOCKS = [
    "{% if yes %}\nA\n{% endif %}\nB\n",
    "  {% if yes %}\n  A\n  {% endif %}\n  B\n\n",
    "x  {% if yes %}  \n  A {% endif %}\n",
    "{%- if yes %}\n  A\n{%- endif %}\n",
    "{%+ if yes %}\n A{% endif +%}\nB",
    "   {%+ if yes %}A{% endif %}   \nB",
    "a\n   {# c #}\n b {# d #}\n{#- e -#}\n f",
    "a\n   {{ n }}   \n   {{- n -}}   \n b",
    "a\r\nb\r{{ n }}\r\n\r\n",
    "{% for x in nums %}\n  {{ x }}\n{% endfor %}\n",
    "{% for x in nums -%}\n  {{ x }}\n{%- endfor %}\n",
    "{% set a = 1 %}\n\n{% set b = 2 %}\n{{ a }}{{ b }}\n",
    "\n\n{{ n }}\n\n",
    "\n",
    "",
    "   ",
    "{{ n }}\n",
    "{{ n -}}\n\n  x",
    "\t{% if yes %}\t\nx{% endif %}",
    "{% raw %}\n {{ a }}\n{% endraw %}\nb",
    "a\n  {% raw %} {% b %} {%- endraw %}  \n c",
    "a {% if yes %}b{% endif %} c\n{% if no %}d{% endif %}\ne",
    "{{ {'a': {'b': 1}} }}{{ {'a':1}['a'] }}",
    "{% set x = {'a': {}} %}{{ x }}",
    "{% if yes %}{# c #}\n{% endif %}x",
    "\u3000{% if yes %}a{% endif %}\u00a0{{- n }}",
    "{%if yes%}a{%endif%}{{n}}{#c#}",
    "{%-if yes-%} a {%-endif-%} b",
    "{%\nif\nyes\n%}a{%\nendif\n%}",
    "{% for m in messages %}\n{{ m.role }}:\n{% if m.content %}\n{{ m.content }}\n{% endif %}\n{% endfor %}\n",
    "{% macro row(a) %}\n  <{{ a }}>\n{% endmacro %}\n{{ row(1) }}\n{{ row(2) }}",
    "{% set x %}\n  a\n{% endset %}\n[{{ x }}]",
    "{{ 'a\nb' }}",
    "{% filter trim %}\n\n a \n{% endfilter %}|",
    "{# a #}{# b #}\n{# c #}\nd",
    "{#- a #}\n\n {#+ b +#}\nd",
    "{ { n } } {n} {%",
    "{ a }} %} #} {",
    "{{ '{%' }} {{ '#}' }}{# #} #}",
    "{% if yes %}a{% if no %}b{% else %}c{% endif %}{% elif no %}d{% endif %}",
]

ATOMS = [
    "n", "zero", "neg", "pi", "yes", "no", "nothing", "empty", "name", "words", "nums", "pairs",
    "obj", "missing", "'abc'", "'a,b'", "1", "2.5", "[1, 'x']", "{'k': 1}", "(1, 2)", "none",
    "messages[1].content", "people[0].name", "people", "true",
]
# The slices are of no constants: jinja2 folds `1[:2]` to nothing, but refuses `x[:2]` for x = 1.
UNARY = [
    "{} | length", "{} | upper", "{} | string", "{} | list", "{} | first", "{} | last",
    "{} | tojson", "{} | int", "{} | float", "{} | trim", "{} | default('d')", "{} | join('-')",
    "{} | reverse | list", "{} | title", "{} is string", "{} is iterable", "{} is mapping",
    "{} is sequence", "{} is none", "not {}", "-{}", "{}[0]", "{}[-1]", "({} if yes)[1:]",
    "({} if yes)[::-1]", "({} if yes)[:-1]", "{}.k", "{}['k']", "{}.items() | list", "{}.split(',')", "{}.upper()",
    "{} | sort", "{} | min", "{} | capitalize", "{} | replace('a', 'b')", "{} | select | list",
    "{} | map('string') | list", "{} | unique | list", "({})",
]
BINARY = [
    "{} + {}", "{} - {}", "{} * {}", "{} / {}", "{} // {}", "{} % {}", "{} ~ {}", "{} == {}",
    "{} != {}", "{} < {}", "{} >= {}", "{} in {}", "{} not in {}", "{} and {}", "{} or {}",
    "{} if yes else {}", "{} if {}", "[{}, {}]", "({}, {})", "{{'x': {}, 'y': {}}}",
]


def random_expression(rng, depth):
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(ATOMS)
    if rng.random() < 0.55:
        return rng.choice(UNARY).format(random_expression(rng, depth - 1))
    left = random_expression(rng, depth - 1)
    right = random_expression(rng, depth - 1)
    return rng.choice(BINARY).format(left, right)


# What the models' own templates (*.jinja beside the output) are rendered with.
CALLS = [
    {"type": "function", "function": {"name": "f", "arguments": '{"q": 1}'}},
    {"type": "function", "function": {"name": "g", "arguments": "{}"}},
]
TURN = [
    {"role": "user", "content": "Q"},
    {"role": "assistant", "content": "<think>\nhm\n</think>\n\nA"},
    {"role": "user", "content": "Q2\n {{ x }} "},
]
CONVERSATIONS = [
    TURN[:1],
    TURN,
    [{"role": "system", "content": "Be brief."}] + TURN,
    TURN[:2],
    [TURN[0], {"role": "assistant", "content": None, "tool_calls": CALLS[:1]}],
    [
        TURN[0],
        {"role": "assistant", "content": None, "tool_calls": CALLS},
        {"role": "tool", "content": "1"},
        {"role": "tool", "content": "2"},
    ],
    [
        TURN[0],
        {"role": "assistant", "content": None, "tool_calls": CALLS},
        {"role": "tool", "content": "1"},
        {"role": "assistant", "content": "A"},
        TURN[2],
    ],
]

PIECES = [
    "text", " ", "\n", "\n  ", "{{ n }}", "{{- n }}", "{{ n -}}", "{# c #}", "{#- c -#}",
    "{% if yes %}", "{%- if no %}", "{% else %}", "{% endif %}", "{%- endif -%}", "{%+ if yes %}",
    "{% for x in nums %}", "{% endfor %}", "{{ x }}", "{{ loop.index }}", "{% set x = 'v' %}\n",
    "{% endfor -%}", "{% if yes -%}", "{% endif +%}\n",
]


def random_layout(rng):
    """Tags that close in order, with white space of all kinds around them."""
    out, open_tags = [], []
    for _ in range(rng.randint(4, 14)):
        piece = rng.choice(PIECES)
        if "else" in piece and (not open_tags or open_tags[-1] != "if"):
            continue
        if "endif" in piece or "endfor" in piece:
            kind = "if" if "endif" in piece else "for"
            if not open_tags or open_tags[-1].rstrip("*") != kind:
                continue
            open_tags.pop()
        elif "else" in piece:
            open_tags[-1] = "if*"
        elif "if " in piece and "{%" in piece:
            open_tags.append("if")
        elif "for " in piece:
            open_tags.append("for")
        out.append(piece)
    while open_tags:
        out.append("{% end" + open_tags.pop().rstrip("*") + " %}")
    return "".join(out)


def model_cases(folder):
    for path in sorted(folder.glob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        for messages in CONVERSATIONS:
            for add_generation_prompt in (True, False):
                context = {
                    "messages": messages,
                    "add_generation_prompt": add_generation_prompt,
                    "bos_token": "<｜begin▁of▁sentence｜>",
                    "eos_token": "<｜end▁of▁sentence｜>",
                }
                yield path.name, source, context


def outcome(env, source, context):
    try:
        return {"text": env.from_string(source).render(**context)}
    except Exception as error:  # any refusal will do
        return {"error": type(error).__name__}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output")
    parser.add_argument("--seed", type=int, default=20240607)
    parser.add_argument("--random", type=int, default=700, help="random expressions")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # unknown escapes in the templates' strings
    env = environment()
    rng = random.Random(options.seed)
    templates = [line for line in HAND_WRITTEN.split("\n") if line] + BLOCKS
    templates += ["{{ " + random_expression(rng, rng.randint(1, 3)) + " }}" for _ in range(options.random)]
    templates += [random_layout(rng) for _ in range(options.random // 3)]
    cases, seen = [], set()
    for source in templates:
        if source in seen:
            continue
        seen.add(source)
        case = {"template": source} | outcome(env, source, CONTEXT)
        if "object at 0x" in case.get("text", ""):
            continue  # an address: no two runs agree
        cases.append(case)
    output = pathlib.Path(options.output)
    for name, source, context in model_cases(output.parent):
        cases.append({"file": name, "context": context} | outcome(env, source, context))
    with open(output, "w", encoding="utf-8") as out:
        out.write('{"jinja2": ' + json.dumps(jinja2.__version__) + ",\n")
        out.write('"context": ' + json.dumps(CONTEXT, ensure_ascii=False) + ",\n")
        out.write('"cases": [\n')
        out.write(",\n".join(json.dumps(case, ensure_ascii=False) for case in cases))
        out.write("\n]}\n")
    failing = sum("error" in case for case in cases)
    print(f"{len(cases)} cases, {failing} of them refusals")


if __name__ == "__main__":
    main()
