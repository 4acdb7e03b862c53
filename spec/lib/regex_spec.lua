local regex = require("kmirror.regex")

-- What java.util.regex.Pattern (Java 17) takes of these names, when all of the name has to match; false where it
-- refuses the expression.
local NAMES <const> = {
    "a", "b", "c", "A", "x", "z", "0", "1", ".", "-", "_", "ab", "abc", "aa", "aab", "a1", "a.b", "a-b", "a_b",
    "orders", "orders.created", "orders-created", "west-orders",
}
local JAVA <const> = {
    { [=[[a-z&&[^b]]]=], "a c x z" },
    { [=[[a-c&&b]]=], "b" },
    { [=[[a-z&&[a-c]&&[^b]]]=], "a c" },
    { [=[[^a&&b]]=], "a b c A x z 0 1 . - _" },
    { [=[[a-c[x-z]]]=], "a b c x z" },
    { [=[[a-c[x-z]&&[^x]]]=], "a b c z" },
    { [=[[^a-c[x-z]]]=], "A 0 1 . - _" },
    { [=[[[:alpha:]]]=], "a" },
    { [=[[a&b]]=], "a b" },
    { [=[[\w-.]+]=], table.concat(NAMES, " ") },
    { [=[[a-z.-]+]=], "a b c x z . - ab abc aa aab a.b a-b orders orders.created orders-created west-orders" },
    { [=[[.-0]]=], "0 ." },
    { [=[[\Qa-c\E]]=], "a c -" },
    { [=[[^\W_]+]=], "a b c A x z 0 1 ab abc aa aab a1 orders" },
    { [=[[\p{Lower}\d]+]=], "a b c x z 0 1 ab abc aa aab a1 orders" },
    { [=[[\x61-\x63]]=], "a b c" },
    { [=[[\u0061\0142]]=], "a b" },
    { [=[\p{javaLowerCase}]=], "a b c x z" },
    { [=[\p{javaLetterOrDigit}+]=], "a b c A x z 0 1 ab abc aa aab a1 orders" },
    { [=[\p{Alnum}+]=], "a b c A x z 0 1 ab abc aa aab a1 orders" },
    { [=[\P{Alpha}]=], "0 1 . - _" },
    { [=[\p{Punct}]=], ". - _" },
    { [=[\p{IsAlphabetic}]=], "a b c A x z" },
    { [=[\p{IsLatin}+]=], "a b c A x z ab abc aa aab orders" },
    { [=[\p{InBasicLatin}]=], "a b c A x z 0 1 . - _" },
    { [=[\p{gc=Lu}]=], "A" },
    { [=[\p{L}]=], "a b c A x z" },
    { [=[\pL\pN]=], "a1" },
    { [=[\u0061]=], "a" },
    { [=[\x61\0142]=], "ab" },
    { [=[(?d)a]=], "a" },
    { [=[(?u)a]=], "a" },
    { [=[(?iu)AB]=], "ab" },
    { [=[(?U)a+]=], "a aa" },
    { [=[(?i)orders]=], "orders" },
    { [=[(?i:A)b]=], "ab" },
    { [=[a\Z]=], "a" },
    { [=[^a$]=], "a" },
    { [=[a\z]=], "a" },
    { [=[\Aa]=], "a" },
    { [=[a\R]=], "" },
    { [=[a\h]=], "" },
    { [=[\bab\b]=], "ab" },
    { [=[a++b]=], "ab aab" },
    { [=[a*+ab]=], "" },
    { [=[(?>a|ab)c]=], "" },
    { [=[(?<name>a)\k<name>]=], "aa" },
    { [=[(?<n1>a)b]=], "ab" },
    { [=[(a)\1]=], "aa" },
    { [=[(a)\10]=], "" },
    { [=[\Qa.b\E]=], "a.b" },
    { [=[orders\..*]=], "orders.created" },
    { [=[.*]=], table.concat(NAMES, " ") },
    { [=[.+-.+]=], "a-b orders-created west-orders" },
    { [=[orders|a]=], "a orders" },
    { [=[(orders|a)\.b]=], "a.b" },
    { [=[a(?=b).*]=], "ab abc" },
    { [=[.*(?<=orders)]=], "orders west-orders" },
    { [=[a{2}b]=], "aab" },
    { [=[(?x)a b]=], "ab" },
    { "a\u{e9}?", "a" },
    { "a\\\u{e9}*", "a" },
    { "\\Qa\u{e9}\\E?", "a" },
    { [=[(?<na_me>a)]=], false },
    { [=[(?P<name>a)]=], false },
    { [=[(?'name'a)]=], false },
    { [=[(a)(?1)]=], false },
    { [=[(?|a|b)]=], false },
    { [=[(?#x)a]=], false },
    { [=[(*FAIL)]=], false },
    { [=[(?(?=a)a|b)]=], false },
    { [=[a\Kb]=], false },
    { [=[\N+]=], false },
    { [=[\C]=], false },
    { [=[\o{141}]=], false },
    { [=[\g{1}]=], false },
    { [=[a\E]=], false },
    { [=[{a}]=], false },
    { [=[a{x}]=], false },
    { [=[a{]=], false },
    { [=[a**]=], false },
    { [=[a|*b]=], false },
    { [=[[z-a]]=], false },
    { [=[[a]=], false },
    { [=[(a]=], false },
    { [=[a)]=], false },
    { [=[[]]=], false },
}

local TOPICS <const> = {
    "orders.created", "orders.shipped", "orders-raw", "payments.settled", "__consumer_offsets", "orders.replica",
    "mm2-offset-syncs.west.internal",
}

-- The error for a regex that cannot be used.
local function refusal(expression)
    local ok, problem = pcall(regex.select, expression, TOPICS)
    assert.is_false(ok, expression)
    assert.are.equal("invalid", problem.kind)
    return problem
end

local function codes(expression, topics)
    local found = {}
    for _, note in ipairs(regex.warnings(expression, topics)) do found[#found + 1] = note.code end
    return table.concat(found, " ")
end

describe("a topics regex", function()
    it("takes what Java takes, and is refused where Java refuses it", function()
        for _, case in ipairs(JAVA) do
            local expression, expected = case[1], case[2]
            if expected then
                assert.is_nil(regex.problem(expression), expression)
                assert.are.same({ expression, expected },
                    { expression, table.concat(regex.select(expression, NAMES), " ") })
            else
                local problem = assert(regex.problem(expression), expression)
                assert.is_nil(problem.untried, expression)
            end
        end
    end)

    it("takes the same of topics that are put in order once for many regexes", function()
        local more = { "(?!.*dead)orders\\..*", "orders(?=x).*", "(?<=or)ders", "(?i)ORDERS.*", "(?s)orders.*",
            "a|b|orders", "(?:a|orders)\\.created", "(west|orders)-(orders|created)",
            ".*-created",
            "or.*ders", "orders(?!x)*", "a,b" }
        for _, case in ipairs(JAVA) do more[#more + 1] = case[2] and case[1] or nil end
        local names = table.move(TOPICS, 1, #TOPICS, #NAMES + 1, table.move(NAMES, 1, #NAMES, 1, {}))
        names[#names + 1] = "orders" -- twice
        local known = regex.known(names)
        for _, expression in ipairs(more) do
            assert.are.same({ expression, table.pack(regex.select(expression, names)) },
                { expression, table.pack(regex.select(expression, known)) })
            assert.are.same({ expression, regex.warnings(expression, names) },
                { expression, regex.warnings(expression, known) })
        end
    end)

    it("takes whole names only, and leaves internal topics out as MirrorMaker 2 does", function()
        assert.are.same({}, (regex.select("orders", TOPICS)))
        local taken, internal = regex.select(".*", TOPICS)
        assert.are.same({ "orders.created", "orders.shipped", "orders-raw", "payments.settled" }, taken)
        assert.are.same({ "__consumer_offsets", "orders.replica", "mm2-offset-syncs.west.internal" }, internal)
    end)

    it("is a list with commas between the entries, blanks around them not counting", function()
        assert.are.same({ "orders.created", "orders-raw" }, (regex.select("  orders\\.c.* , orders-raw ", TOPICS)))
        assert.are.same({ "orders-raw" }, (regex.select("orders-raw,", TOPICS)))
    end)

    it("names the place where it is broken, in the list as it was given", function()
        for expression, place in pairs { ["a(b"] = 2, ["a, b(c"] = 5, ["  x[ab"] = 4, ["a,  *b"] = 5, ["a)"] = 2,
            ["a,b\\q"] = 4, ["[z-a]"] = 2, ["(?P<n>a)"] = 1, ["a, {b}"] = 4, ["x{3"] = 2, ["a\\"] = 2 } do
            local problem = refusal(expression)
            assert.are.same({ expression, place }, { expression, problem.details.position })
            assert.is_truthy(tostring(problem):find(("'%s' is broken: "):format(expression), 1, true))
            assert.is_truthy(tostring(problem):find((", at character %d"):format(place), 1, true))
        end
    end)

    it("has no commas in it, for MirrorMaker 2 would split it there", function()
        local problem = refusal("orders-\\d{1,3}")
        assert.are.equal(10, problem.details.position)
        assert.is_truthy(problem.message:find("a comma ends an entry of the list, even in {1,3}", 1, true))
    end)

    it("is not called broken when only Java knows it", function()
        for _, expression in ipairs { "a(?<=a{1}|ab+)b", "\\p{IsCyrillic}", "\\X", "a{2}{2}", "(a)\\2",
            "[\\p{IsGreek}]" } do
            local problem = refusal(expression)
            assert.is_truthy(problem.message:find("cannot be tried out", 1, true), problem.message)
            assert.is_true(regex.problem(expression).untried)
        end
    end)

    it("does not hang on an expression that would take for ever", function()
        local ok, problem = pcall(regex.select, "(a|aa)+-", { ("a"):rep(60) .. ".-." })
        assert.is_false(ok)
        assert.are.equal("invalid", problem.kind)
        assert.is_truthy(problem.message:find("the topics regex '(a|aa)+-' cannot be tried on 'aaa", 1, true))
        assert.is_truthy(problem.message:find("': it takes too many steps", 1, true), problem.message)
    end)

    it("is shortened in what is said of it, in its parts, too", function()
        local long = ("x"):rep(3000)
        local function short(message) assert.is_true(#message < 400, message) end
        for _, expression in ipairs { "[" .. long .. "[y]]", "[[:alpha:]" .. long .. "]", "\\Q" .. long .. "(\\E" } do
            for _, note in ipairs(regex.warnings(expression)) do short(note.message) end
        end
        local _, problem = pcall(regex.select, "(a|aa)+-" .. ("y?"):rep(1000), { ("a"):rep(200) .. ".-." })
        assert.are.equal("invalid", problem.kind)
        short(problem.message)
    end)

    it("is not called broken for a limit of PCRE2 that Java has not", function()
        for _, expression in ipairs { "a{65536}", "((a{1000}){1000}){1000}", ("("):rep(300) .. "a" .. (")"):rep(300),
            "(?<" .. ("n"):rep(200) .. ">a)", ("(a)"):rep(70000) } do
            assert.is_true(regex.problem(expression).untried, expression:sub(1, 40))
        end
        assert.are.equal(9, regex.problem("a{65536}(").at)
    end)
end)

describe("a machine without PCRE2", function()
    local loaded = package.loaded.rex_pcre2

    before_each(function()
        package.loaded.rex_pcre2 = nil
        package.preload.rex_pcre2 = function() error("module 'rex_pcre2' not found") end
    end)
    after_each(function()
        package.preload.rex_pcre2 = nil
        package.loaded.rex_pcre2 = loaded
    end)

    it("is told which package is missing", function()
        assert.is_truthy(refusal("never-seen-before").message:find("lua-rex-pcre2", 1, true))
    end)
end)

describe("a regex in place of another", function()
    it("keeps, gains and loses topics", function()
        assert.are.same({
            taken = { "orders.created", "orders.shipped", "payments.settled" },
            kept = { "orders.created", "orders.shipped" },
            gained = { "payments.settled" },
            lost = { "orders-raw" },
        }, regex.compare("orders.*", "(orders|payments)\\..*", TOPICS))
    end)

    it("does neither when it takes the same", function()
        local change = regex.compare("orders\\..*", "orders\\.[a-z]+", TOPICS)
        assert.are.same({ {}, {} }, { change.gained, change.lost })
    end)
end)

describe("a warning", function()
    it("tells of a regex that takes every topic", function()
        assert.are.equal("everything", codes(".*"))
        assert.are.equal("everything", codes("[\\w.-]+"))
        assert.are.equal("", codes("orders\\..*"))
    end)

    it("tells of no such regex when anything is left out", function()
        for _, some in ipairs { ".*(?<!-dlq)", "((?!dlq).)*", ".*[^q]", "[a-zA-Z0-9.-]+", "..+" } do
            assert.is_nil(codes(some):find("everything"), some)
        end
    end)

    it("tells of parts that no topic name can match, with character and place", function()
        for expression, expected in pairs {
            ["a|\n  b"] = { 3, "a line feed" }, ["a| b"] = { 3, "a blank" }, ['"a"'] = { 1, "'\"'" },
            ["/a/"] = { 1, "'/'" }, ["a;b"] = { 2, "';'" }, ["a\\|b"] = { 2, "'|'" },
            ["\u{feff}a"] = { 1, "byte order" },
            ["b\u{fc}cher"] = { 2, "'\u{fc}'" }, ["(a|b c)d"] = { 5, "a blank" },
            ["a\\s+b"] = { 2, "\\s" },
            ["a[ /]b"] = { 2, "[ /]" }, ["a\\tb"] = { 2, "\\t" }, ["a\u{a0}b"] = { 2, "no-break" },
            ["a\\x20b"] = { 2, "'\\x20'" }, ["a\\x{20}b"] = { 2, "'\\x{20}'" }, ["a\\u0020b"] = { 2, "'\\u0020'" },
            ["a\\040"] = { 2, "'\\040'" }, ["a\\cA"] = { 2, "'\\cA'" }, ["a\\u00e9"] = { 2, "'\\u00e9'" },
            ["a\\p{Space}"] = { 2, "'\\p{Space}'" }, ["a\u{200b}"] = { 2, "'\\u{200B}'" },
            ["\\Qa b"] = { 4, "a blank" }, ["a\\\\"] = { 2, "'\\'" }, ["a[^\\w.-]"] = { 2, "'[^\\w.-]'" },
            ["a$b"] = { 2, "'$' matches only at the end of a name" }, ["a\\zb"] = { 2,
            "'\\z' matches only at the end" },
            ["a^b"] = { 2, "'^' matches only at the beginning of a name" }, ["a(b$)?c"] = { 4, "'$' matches only" },
            ["(a|b)^c"] = { 6, "'^' matches only" }, ["x|(a$|b).c"] = { 5, "'$' matches only" },
            ["(?-x)a b"] = { 7, "a blank" },
        } do
            local notes = regex.warnings(expression)
            assert.are.same({ expression, "impossible", expected[1] }, { expression, notes[1].code, notes[1].at })
            assert.is_truthy(notes[1].message:find(expected[2], 1, true), notes[1].message)
            assert.is_truthy(notes[1].message:find("character " .. expected[1], 1, true), notes[1].message)
        end
        for _, fine in ipairs { "a ?b", "a/*b", "a, b", "[a ]b", "(?!a b)x", "a(?: {0}b)", "(?x)a b # c", "(?ix: a )",
            "a\u{e9}?", "\\Qa\u{e9}\\E?", "a\\x41", "a\\u0041", "a\\0101", "a\\W", "a\\p{L}", "(a)\\1", "a\\bb?",
            "^(a|b)$",
            "(^a|^b)c$", "a|^b", "a$,^b", "(a|)^b", "a$b*", ".*^b", "a(?=b$)b", "\\Aa\\z" } do
            assert.is_nil(codes(fine):find("impossible"), fine)
        end
    end)

    it("tells of an anchor what it comes to: nothing, or that what is before or after it has to be empty", function()
        for expression, said in pairs {
            ["^a"] = "'^' changes nothing", ["(a|b$)"] = "'$' changes nothing", ["a$|^b"] = "'$' changes nothing",
            [".*^a"] = "nothing can be before it", ["(a|)^b"] = "nothing can be before it",
            ["(a)?^b"] = "nothing can be before it", ["a$.*"] = "nothing can be after it",
        } do
            local note = regex.warnings(expression)[1]
            assert.are.equal("anchors", note.code, expression)
            assert.is_truthy(note.message:find(said, 1, true), note.message)
        end
    end)

    it("tells of blanks and line ends around a regex", function()
        for expression, at in pairs { [" a"] = 1, ["a "] = 2, ["a\\.b\r"] = 5, ["\na\n"] = 1 } do
            local note = regex.warnings(expression)[1]
            assert.are.same({ "blanks", at }, { note.code, note.at })
        end
    end)

    it("tells of internal topics", function()
        assert.are.equal("internal", codes("__.*"))
        assert.are.equal("internal", codes(".*[\\-\\.]internal"))
        assert.are.equal("internal", codes(".*\\.replica"))
        assert.are.equal("internal", codes("orders.*", TOPICS))
        assert.are.equal("", codes("orders.*"))
    end)

    it("tells of a regex that takes nothing that is known, though it fits a part of a name", function()
        assert.are.equal("nothing", codes("shipments.*", TOPICS))
        local note = regex.warnings("orders", TOPICS)[1]
        assert.is_truthy(note.message:find("fits only a part of orders.created, orders.shipped, orders-raw and 1 more",
            1, true), note.message)
    end)

    it("tells of anchors, dots that are none, and stars as in the shell, with their place", function()
        for expression, expected in pairs { ["^orders"] = { "anchors", 1 }, ["orders$"] = { "anchors", 7 },
            ["orders.created"] = { "dot", 7 }, ["x, orders.created"] = { "dot", 10 }, ["orders-*"] = { "glob", 7 },
            ["pay\\.*"] = { "glob", 4 } } do
            local notes = regex.warnings(expression)
            assert.are.same({ expression, expected, 1 },
                { expression, { notes[1] and notes[1].code, notes[1] and notes[1].at }, #notes })
        end
        for _, fine in ipairs { "orders\\.created", "orders.+", "orders.*", "[o.]x", "\\Qa.b\\E", "a\\.b,c" } do
            assert.are.equal("", codes(fine))
        end
    end)

    it("tells of no anchor in a lookahead, where it says something, but of one behind it", function()
        for _, fine in ipairs { "(?!orders$)o.*", "(?=(o|p).*d$)[op].*", "(?!.*(-old$)).+z" } do
            assert.are.equal("", codes(fine))
        end
        local note = regex.warnings("(?!orders$)o.*x$")[1]
        assert.are.same({ "anchors", 16 }, { note.code, note.at })
        assert.are.equal("anchors", codes("(?:orders$)"))
    end)

    it("tells of what Java reads differently from most tools", function()
        for _, expression in ipairs { "[a-z&&[^b]]x", "[a-c[x-z]]x", "[[:alpha:]]x", "[:alpha:]x",
            "\\p{javaLowerCase}x", "(?d)x",
            "(?u)x", "(?U)x", "x\\Z", "x\\h?", "x\\R?", "x\\v?", "x\\s?" } do
            assert.are.same({ expression, "java" }, { expression, codes(expression) })
        end
        for _, same in ipairs { "x++y", "(?>x)y", "(?<name>x)y", "\\p{L}x", "(?i)x" } do
            assert.are.equal("", codes(same))
        end
    end)
end)

describe("an overlap", function()
    local function pairs_of(expressions, topics, involves)
        local found = {}
        for i, each in ipairs(regex.overlaps(expressions, topics, involves)) do
            found[i] = ("%d-%d %s"):format(each.first, each.second, table.concat(each.topics, "+"))
        end
        return found
    end

    it("is found among the topics that are known", function()
        assert.are.same({ "1-2 orders.created", "1-3 orders.created+orders.shipped+orders-raw", "2-3 orders.created" },
            pairs_of({ "orders[.-].*", "orders\\.created", ".*rders.*", "payments.*" }, TOPICS))
        assert.are.same({}, pairs_of({ "__.*", ".*offsets" }, TOPICS))
    end)

    it("is found by the text when none is known, with a topic that both would take", function()
        for _, case in ipairs {
            { "orders\\..*", "orders\\.created" }, { "orders\\..*", ".*\\.created" }, { "a|b\\d{3}", "[b-d]\\d+" },
            { "west-.*", "west-o.*" }, { ".*", "x" }, { "(?i)ORDERS", "orders" }, { "a, b", "b, c" },
            { "x?orders", "orders" }, { "(?:a|b)c", "b[a-c]" }, { "[a-z&&[^b]]+", "[^a]" },
        } do
            local found = regex.overlaps(case)
            assert.are.equal(1, #found, table.concat(case, "  "))
            for _, expression in ipairs(case) do
                assert.are.same(found[1].topics, (regex.select(expression, found[1].topics)))
            end
        end
    end)

    it("is not found where there is none", function()
        for _, case in ipairs { { "orders\\..*", "payments\\..*" }, { "orders\\.[a-m].*", "orders\\.[n-z].*" },
            { "a+", "b+" }, { "orders", "orders\\..*" }, { "x\\d{2}", "x\\d{3}" }, { "orders(?=x)", "orders" } } do
            assert.are.same({}, regex.overlaps(case), table.concat(case, "  "))
        end
    end)

    it("can be looked for with some only", function()
        local expressions = { "a.*", "ab.*", "abc.*" }
        assert.are.same({ "1-3 abcx", "2-3 abcx" }, pairs_of(expressions, nil, function(i) return i == 3 end))
    end)

    it("is found beside regexes that take too long to try, which are told of", function()
        local slow = ("a?"):rep(30) .. ("a"):rep(30)
        local began = os.clock()
        for _, topics in ipairs { false, { "foo1", ("a"):rep(59) .. "b" } } do
            local found, whole = regex.overlaps({ slow .. "0", slow, "(.*a1){12}", "foo.*", "foo1" }, topics or nil)
            local named = false
            for _, each in ipairs(found) do
                named = named or each.first == 4 and each.second == 5
            end
            assert.is_true(named)
            assert.is_false(whole)
        end
        local common = regex.common { slow, slow .. "0", "foo.*" }
        assert.is_nil(common)
        assert.is_true(os.clock() - began < 20)
    end)

    it("of very many with the same topic is told of as far as that goes", function()
        local names = {}
        for i = 1, 1000 do names[i] = ("family%d,heartbeats"):format(i) end
        for _, topics in ipairs { false, { "heartbeats" } } do
            local found, whole = regex.overlaps(names, topics or nil)
            assert.are.same({ 200000, false }, { #found, whole })
            found, whole = regex.overlaps(names, topics or nil, function(i) return i == 1000 end)
            assert.are.same({ 999, true }, { #found, whole })
        end
    end)

    it("is found quickly in a large fleet", function()
        local expressions = {}
        for i = 1, 1000 do expressions[i] = ("family%d\\..*"):format(i) end
        expressions[1001] = "family7\\.created"
        local start = os.clock()
        assert.are.same({ { first = 7, second = 1001, topics = { "family7.created" } } }, regex.overlaps(expressions))
        assert.is_true(os.clock() - start < 2)
    end)
end)
