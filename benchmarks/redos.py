"""Public regexes with catastrophic backtracking, each on a record of 1 MB made to provoke it: how long a scan takes.

Run it: ``python benchmarks/redos.py [SIZE]``. It prints the slowest, and exits with 1 if one takes 2 seconds of CPU time or more.
Each regex names the advisory, page, paper or tool after which it is modelled. Most are shortened to the part that backtracks, and
all are spelled as Python does, so they are not the advisory's text.
"""

from __future__ import annotations

import signal
import sys
import time
import warnings
from typing import TYPE_CHECKING

from attacks import FURTHER, Attack

from metricscan.scanning.scanner import _configured

if TYPE_CHECKING:
    from types import FrameType

MOST_S = 2.0
# a search that takes so long is ended, and fails
_PATIENCE_S = 30

_OWASP = "OWASP, Regular expression Denial of Service"
_RXXR = "RXXR (Kirrage, Rathnayake, Thielecke, 2013)"
_DAVIS = "Davis et al., The Impact of ReDoS in Practice (2018)"
_RECHECK = "recheck (makenowjust-labs)"
_SNYK = "Snyk's database of npm packages"
_REGEXLIB = "RegExLib"

ATTACKS = [
    Attack(_OWASP, r"^(a+)+$", "", "a", "!"),
    Attack(_OWASP, r"^([a-zA-Z]+)*$", "", "a", "!"),
    Attack(_OWASP, r"^(a|aa)+$", "", "a", "!"),
    Attack(_OWASP, r"^(a|a?)+$", "", "a", "!"),
    Attack(_OWASP, r"^(.*a){11}$", "", "a", "!"),
    Attack(_OWASP, r"^(.*a){20}$", "", "a", "!"),
    Attack(f"{_OWASP}: Java classname", r"^(([a-z])+.)+[A-Z]([a-z])+$", "", "a", "!"),
    Attack(
        f"{_OWASP}: validation of e-mail",
        r"^([0-9a-zA-Z]([-.\w]*[0-9a-zA-Z])*@(([0-9a-zA-Z])+([-\w]*[0-9a-zA-Z])*\.)+[a-zA-Z]{2,9})$",
        "",
        "a",
        "!",
    ),
    Attack(
        f"{_OWASP}: multiple e-mail addresses",
        r"^[a-zA-Z]+(([\'\,\.\- ][a-zA-Z ])?[a-zA-Z]*)*\s+&lt;(\w[-._\w]*\w@\w[-._\w]*\w\.\w{2,3})&gt;$",
        "",
        "a",
        "!",
    ),
    Attack(f"{_OWASP}: decimals", r"^\d*[0-9](|.\d*[0-9]|)*$", "", "1", "!"),
    Attack("CVE-2015-8854 (marked)", r"^\b_((?:__|[\s\S])+?)_\b|^\*((?:\*\*|[\s\S])+?)\*(?!\*)", "_", "__", "a"),
    Attack("CVE-2017-16114 (marked)", r"^(`+)\s*([\s\S]*?[^`])\s*\1(?!`)", "`", " ", "a"),
    Attack(
        "CVE-2022-21680 (marked)",
        r"^ {0,3}\[(label)\]: *\n? *<?([^\s>]+)>?(?:(?: +\n? *| *\n *)(title))? *(?:\n+|$)",
        "[label]: ",
        "x",
        " !",
    ),
    Attack("CVE-2022-21681 (marked)", r"^(?:\[((?:[^\[\]\\]|\\[\s\S])*)\]|[^\[\]])*\]", "", "[](", ")"),
    Attack("CVE-2016-4055 (moment)", r"((?:\d+)\s*)+(?:T|$)x", "", "1 ", "!"),
    Attack("CVE-2017-18214 (moment)", r"(\d{1,2}):?(\d*\s*)+[a-z]+X", "1:", "1", "!"),
    Attack("CVE-2022-31129 (moment)", r"\((?:[^()]|\([^()]*\))*\)", "", "(", ""),
    Attack(
        "CVE-2015-8315 (ms)",
        r"^((?:\d+)?\.?\d+) *(milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?)?$",
        "",
        "1",
        "!",
    ),
    Attack("CVE-2017-16137 (debug)", r"\s*\n\s*x", "", " ", ""),
    Attack("CVE-2017-16119 (fresh)", r" *, *x", "", " ", "!"),
    Attack("CVE-2016-10539 (negotiator)", r"^\s*([^\s\-;]+)(?:-([^\s;]+))?\s*(?:;(.*))?$", "a", " ", "!"),
    Attack("CVE-2017-16116 (string)", r"(^|\s)([a-z]+\s?)+\1!", "", "a ", "-"),
    Attack("CVE-2017-15010 (tough-cookie)", r"^(([^=;]+))\s*=\s*([^\n\r\0]*)$", "a", " ", "!"),
    Attack("CVE-2016-1000232 (tough-cookie)", r"^(([^=;]+))\s*;\s*([^\n\r\0]*)$", "a", " ", "!"),
    Attack("CVE-2017-16113 (parsejson)", r"^[\],:{}\s]*$|(?:^|:|,)(?:\s*\[)+x", ":", " [", "!"),
    Attack("CVE-2017-16100 (content)", r"^([^/]+/[^\s;]+)\s*(?:;\s*(.*?)\s*)*$", "a/b;", " ;", "\\"),
    Attack("CVE-2017-16098 (charset)", r"(?:charset|encoding)\s*=\s*['\"]? *([\w\-]+)", "charset=", " ", "!"),
    Attack("CVE-2017-16099 (no-case)", r"([a-z]+)*([A-Z]+)*[^a-zA-Z]x", "", "aA", "!"),
    Attack("CVE-2017-20162 (ms)", r"^(-?(?:\d+)?\.?\d+) *(years?|yrs?|y)?$", "", "9", "q"),
    Attack("CVE-2018-1107 (is-my-json-valid)", r"^[^@]+@([^.@]+\.)*[^.@]+\.?x$", "a@", "a.", "@"),
    Attack(
        "CVE-2018-3737 (sshpk)",
        r"^([a-z0-9-]+)[ \t]+([a-zA-Z0-9+\/]+[=]*)([ \t]+([^ \t][^\n]*[\n]*)?)?$",
        "ssh-rsa ",
        "A",
        "!",
    ),
    Attack("CVE-2018-7651 (ssri)", r"^([^-]+)-([^?]+)([?\S*]*)$", "a-", "?", " "),
    Attack("CVE-2018-16487 (lodash, trim)", r"^\s+|\s+$", "a", " ", "a"),
    Attack("CVE-2020-28500 (lodash, toNumber)", r"^\s+|\s+$", "1", " ", "1"),
    Attack("CVE-2019-1010266 (lodash)", r"[a-z]+(?:['’](?:d|ll|m|re|s|t|ve))?(?=[A-Z]|$)x", "", "a", "!"),
    Attack("CVE-2019-16769 (serialize)", r"(?:\\*)*\"x", "", "\\", "!"),
    Attack(
        "CVE-2020-7662 (websocket-extensions)",
        r"([!#\$%&'\*\+\-\.\^_`\|~0-9A-Za-z]+)(?:=(?:([0-9a-z]+)|\"((?:\\[\x00-\x7f]|[^\x00-\x08\x0a-\x1f\x7f\"\\])*)\"))?;x",
        'a="',
        "\\b",
        "!",
    ),
    Attack("CVE-2020-7733 (ua-parser-js)", r"android.+[;\/]\s+([\w\s]+?)\s?build", "android;", " a", "!"),
    Attack("CVE-2020-7793 (ua-parser-js)", r"(?:ipad.+?)?\s*((?:\w+\s*)+)\)x", "", "a ", "!"),
    Attack("CVE-2021-27292 (ua-parser-js)", r"\(ipad;.+\bos\s([\w\.]+)(?:\s+like|\s*\))x", "(ipad; os ", "a", "!"),
    Attack("CVE-2022-25927 (ua-parser-js)", r"(?:windows|win)(?:\s+nt)?\s*((?:\d+\.?)+)x", "windows ", "1.", "!"),
    Attack("CVE-2020-7754 (npm-user-validate)", r"^(?:[^@]+)+@(?:[^@.]+\.)+[^@.]+$", "", "a", "@"),
    Attack("CVE-2020-7755 (dat.gui)", r"^rgb\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)$", "rgb(1,", " ", "!"),
    Attack("CVE-2020-7760 (codemirror)", r"^(?:\s|\/\*.*?\*\/)*x", "", "/* */", "!"),
    Attack("CVE-2020-7767 (express-validators)", r"^(?:(?:[a-z0-9]+-?)*[a-z0-9]+\.)+[a-z]{2,}$", "", "a-", "!"),
    Attack("CVE-2020-28469 (glob-parent)", r"(^|[^\\])([{[]|\([^)]+$)", "", "(", ")"),
    Attack(
        "CVE-2020-28493 (jinja2)",
        r"^((?:https?://|www\.)[a-zA-Z0-9.-]+\.[a-z]+)|[a-zA-Z0-9._-]+@[a-zA-Z0-9._-]+(?:\.[a-zA-Z]+)+$",
        "a@",
        "a.",
        "!",
    ),
    Attack(
        "CVE-2021-23358 (semver-regex)",
        r"(?:(?:0|[1-9]\d*)\.){2}(?:0|[1-9]\d*)(?:-(?:[0-9a-z-]+\.?)+)?\+x",
        "1.1.1-",
        "a",
        "!",
    ),
    Attack("CVE-2021-3795 (semver-regex)", r"^v?(?:(?:0|[1-9]\d*)\.?)*x", "v", "1", "!"),
    Attack("CVE-2022-25883 (semver)", r"^\s*(?:[<>=~^]*\s*)*\d+\.\d+x", "", " ", "!"),
    Attack("CVE-2021-3749 (axios, trim)", r"^\s*|\s*$", "a", " ", "a"),
    Attack("CVE-2021-3765 (validator, isSlug)", r"^[^\s_-](?!.*?[-_]{2,})[a-z0-9-]+[^\s]*[^-_\s]$", "a", "1", "-"),
    Attack("CVE-2021-3777 (tmpl)", r"\{\s*(\w+\s*)*\}x", "{", "a ", "!"),
    Attack("CVE-2021-3803 (nth-check)", r"^(?:[+-]?\d*n)?(?:\s*[+-]?\s*(?:\d+\s*)*)?$", "n+", " ", "!"),
    Attack("CVE-2021-3804 (taffydb)", r"^(\s*\w+\s*)+:", "", " a", "!"),
    Attack(
        "CVE-2021-3807 (ansi-regex)",
        r"[\x1b\x9b][\[\]()#;?]*(?:(?:(?:[a-zA-Z\d]*(?:;[-a-zA-Z\d/#&.:=?%@~_]*)*)?\x07)|(?:(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-ntqry=><~]))",
        "\x1b[",
        ";",
        "",
    ),
    Attack("CVE-2021-3820 (inflect)", r"([A-Z]+)([A-Z][a-z])|([a-z\d]+)+_x", "", "a", "!"),
    Attack("CVE-2021-3822 (jsoneditor)", r"^\s*(?:\S+\s*)+=x", "", "a ", "!"),
    Attack("CVE-2021-3828 (nltk)", r"(?:(?:\w+\s*)+[.?!])+x", "", "a ", "!"),
    Attack("CVE-2021-3842 (nltk)", r"^([^\t]*\t)*[^\t]*:x", "", "a\t", "!"),
    Attack("CVE-2021-43854 (nltk, PunktTokenizer)", r"(\S*)(?=[.?!](\s|$))x", "", "a", " "),
    Attack(
        "CVE-2021-23343 (path-parse)", r"^(\/?|)([\s\S]*?)((?:\.{1,2}|[^\/]+?|)(\.[^.\/]*|))(?:[\/]*)$", "", "/", "."
    ),
    Attack(
        "CVE-2021-23354 (printf)",
        r"%(?:\(([\w_.]+)\)|([1-9]\d*)\$)?([0 +\-]*)(\*|\d+)?(\.)?(\*|\d+)?[hlL]?([%bscdeEfFgGioOuxX])",
        "%",
        "0",
        "!",
    ),
    Attack("CVE-2021-23362 (hosted-git-info)", r"^([^:]+)://([^@]+@)*([^:/]+)(?::\d+)?/x", "a://", "a@", "!"),
    Attack(
        "CVE-2021-23364 (browserslist)",
        r"^(?:(?:since|last)\s+)?(\d+)(?:-(\d+))?\s+(?:\w+\s*)+versions?$",
        "last 1 ",
        "a ",
        "!",
    ),
    Attack(
        "CVE-2021-23368 (postcss)",
        r"\/\*\s*# sourceMappingURL=((?:(?!\/\*)[\s\S])*)\*\/x",
        "/*# sourceMappingURL=",
        "a",
        "!",
    ),
    Attack("CVE-2021-23382 (postcss)", r"\/\*\s*# sourceMappingURL=(.*)\*\/", "", "/*# sourceMappingURL=", "!"),
    Attack("CVE-2021-23424 (ansi-html)", r"\033\[(?:\d+;?)*m", "\x1b[", "1", "!"),
    Attack("CVE-2021-23425 (trim-off-newlines)", r"^(?:\r|\n|\t)+|(?:\t)+$", "a", "\t", "a"),
    Attack("CVE-2021-25292 (Pillow)", r"(?:%%EOF|endobj)(?:\s|%.*?)*startxref", "endobj", " %", "!"),
    Attack(
        "CVE-2021-33502 (normalize-url)",
        r"^data:(?P<type>[^,]*?),(?P<data>[^#]*?)(?:#(?P<hash>.*))?$",
        "data:",
        "a",
        "",
    ),
    Attack("CVE-2021-33503 (urllib3)", r"^(?:(?:[^@/?#]*@)*)([^@/?#]*)(?::\d+)?$", "", "@", "/"),
    Attack(
        "CVE-2021-29060 (color-string)",
        r"^hwb\(\s*([+-]?\d{0,3}(?:\.\d+)?)(?:deg)?\s*,\s*([+-]?[\d\.]+)%\s*,\s*([+-]?[\d\.]+)%\s*\)$",
        "hwb(1,",
        " ",
        "!",
    ),
    Attack(
        "CVE-2021-29063 (mpmath)",
        r"^\(?(?P<re>[\+\-]?\d*(\.\d*)?(e[\+\-]?\d+)?)??(?P<im>[\+\-]?\d*(\.\d*)?(e[\+\-]?\d+)?j)?\)?$",
        "(",
        "1",
        "!",
    ),
    Attack("CVE-2022-0355 (simple-get, cookie)", r"(?:^|;)\s*(?:[^=;]+=[^;]*;?\s*)*secret=x", "", "a=b; ", "!"),
    Attack("CVE-2022-3517 (minimatch, braceExpand)", r"\{(?:(?!\{).)*\}", "", "{", ""),
    Attack("CVE-2022-24723 (URI.js)", r"^(?:\s|[\x00-\x20])+[a-z]+:x", "", " ", "!"),
    Attack("CVE-2022-25881 (http-cache-semantics)", r"\s*,\s*x|(?:\s*;\s*)+=", "", " ", "!"),
    Attack("CVE-2022-40023 (Mako)", r"<%(?:\s+\w+|\s*=\s*\".*?\")*\s*%>", "<%", " a", "!"),
    Attack("CVE-2022-40896 (Pygments)", r"(?:\s+|//.*?$|/\*.*?\*/)*package\b", "", "/**/", "!"),
    Attack("CVE-2022-40897 (setuptools)", r"<([^>]*\srel\s*=\s*['\"]?([^'\">]+)[^>]*)>", "<", " rel=a", ""),
    Attack(
        "CVE-2022-40898 (wheel)",
        r"^(?P<namever>(?P<name>.+?)-(?P<ver>.+?))(-(?P<build>\d[^-]*))?-(?P<pyver>.+?)-(?P<abi>.+?)-(?P<plat>.+?)\.whl$",
        "",
        "a-",
        "!",
    ),
    Attack(
        "CVE-2022-40899 (future, http.cookiejar)",
        r"^(?:(?:\d\d?)(?:\s+|[-\/])(\w+)(?:\s+|[-\/])(\d+)(?:(?:\s+|:)(\d\d?):(\d\d)(?::(\d\d))?)?\s*([-+]?\d{2,4}|(?![APap][Mm]\b)[A-Za-z]+)?\s*(?:\(\w+\))?\s*)$",
        "1 a 1 ",
        " ",
        "!",
    ),
    Attack("CVE-2020-8492 (CPython, urllib)", r"(?:.*,)*[ \t]*([^ \t]+)[ \t]+realm=([\"']?)([^\"']*)\2", "", ",", "a"),
    Attack("CVE-2018-1060 (CPython, poplib)", r"^\+OK.*(<[^>]+>)x", "+OK", "<", ""),
    Attack("CVE-2018-1061 (CPython, difflib)", r"\s*#?\s*$x", "", " ", "!"),
    Attack("CVE-2024-6232 (CPython, tarfile)", r"^(\d+) ([^=]+)=(.*)\n?x", "", "1", " "),
    Attack("CVE-2019-19118 (Django, strip_tags style)", r"<(?:[^<>]*)*>", "<", "<", ""),
    Attack("CVE-2019-14232 (Django, Truncator)", r"<.*?>|((?:\w[-\w]*|&.*?;)+)x", "", "&", "!"),
    Attack(
        "CVE-2023-36053 (Django, EmailValidator)",
        r"^((?:[A-Z0-9](?:[A-Z0-9-]{0,61}[A-Z0-9])?\.)+)(?:[A-Z0-9-]{2,63}(?<!-))$",
        "",
        "A.",
        "!",
    ),
    Attack(
        "Cloudflare, outage of 2 July 2019",
        r"(?:(?:\"|'|\]|\}|\\|\d|(?:nan|infinity|true|false|null|undefined|symbol|math)|\`|\-|\+)+[)]*;?((?:\s|-|~|!|\{\}|\|\||\+)*.*(?:.*=.*)))",
        "x=",
        "x",
        "",
    ),
    Attack("Stack Overflow, outage of 20 July 2016", r"^[\s\u200c]+|[\s\u200c]+$", "a", " ", "a"),
    Attack("Atom, issue of 2016", r"^((?:(?:[^\s]+)\s*)*)\{x", "", "a ", "!"),
    Attack(_RXXR, r"^(([^<>()\[\]\\.,;:\s@\"]+(\.[^<>()\[\]\\.,;:\s@\"]+)*)|(\".+\"))@x", "", "a.", "!"),
    Attack(_RXXR, r"\A([A-Z,a-z]*)+\Z", "", "a", "!"),
    Attack(_DAVIS, r"^(\w+\s?)*$", "", "a ", "!"),
    Attack(_DAVIS, r"(.*)\d+(.*)\d+(.*)x", "", "1", "!"),
    Attack(
        _DAVIS, r"^([\w-]+(?:\.[\w-]+)*)@((?:[\w-]+\.)*\w[\w-]{0,66})\.([a-z]{2,6}(?:\.[a-z]{2})?)$", "a@", "a.", "!"
    ),
    Attack(_RECHECK, r"^(?:.?)*?\(\)$", "", "a", "!"),
    Attack(_RECHECK, r"^(?:\d+\s*)*:x", "", "1", "!"),
    Attack(_SNYK, r"^(\d+\.?\d*|\.\d+)*\s*(px|em)$", "", "1", "!"),
    Attack(_SNYK, r"(?:[^\\\"]|\\.|\"[^\"]*\")*;x", "", '\\"', "!"),
    Attack(_REGEXLIB, r"^[a-zA-Z0-9]+(?:[_.-]?[a-zA-Z0-9]+)*@x", "", "a", "!"),
    Attack(_REGEXLIB, r"^(?:\$?(?:\d{1,3},?)*(?:\.\d{2})?)*x$", "$", "1", "!"),
    Attack(_REGEXLIB, r"^((\(\d{3}\) ?)|(\d{3}-?))*\d{4}x", "", "111-", "!"),
    Attack(_REGEXLIB, r"(?:(?:\s*[A-Za-z0-9_]+\s*=\s*\"[^\"]*\")*\s*)*/>", "", 'a="" ', "!"),
]


class _TooSlowError(Exception):
    pass


def _stop(number: int, frame: FrameType | None) -> None:
    raise _TooSlowError


def measured(attack: Attack, size: int) -> tuple[float, str, int]:
    """CPU seconds of a scan of the record, what decides the regex, and how many records exceeded the budget."""
    pump = attack.pump.encode()
    record = attack.prefix.encode() + pump * (size // len(pump)) + attack.suffix.encode()
    # the search for literals would pass over most of these records
    scanner = _configured([{"Name": "m", "Regex": attack.regex}], search="naive")
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(_PATIENCE_S)
    began = time.process_time()
    try:
        counts = scanner.scan(record, threads=1).stats.metrics["m"]
        over = counts.over_budget + counts.timeouts
    except _TooSlowError:
        over = -1
    finally:
        signal.alarm(0)
    return time.process_time() - began, scanner.explain()[0].engine, over


def main(size: int = 1_000_000) -> int:
    """Measure all attacks, and print the slowest."""
    warnings.simplefilter("ignore")
    results = sorted(((*measured(attack, size), attack) for attack in [*ATTACKS, *FURTHER]), key=lambda one: -one[0])
    for seconds, engine, over, attack in results[:12]:
        print(f"{seconds:7.3f} s  {engine:5}  {'over budget' if over else '':11}  {attack.source}: {attack.regex[:60]}")
    slow = sum(one[0] >= MOST_S for one in results)
    over = sum(one[2] != 0 for one in results)
    print(
        f"{len(results)} regexes on records of {size:,} bytes: {slow} took {MOST_S} s or more, {over} exceeded the budget"
    )
    return int(slow > 0)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
