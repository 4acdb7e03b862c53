-- kmirror check: mistakes in runbooks, found without running them.
local cjson = require("cjson")
local support = require("spec.support")

local names = 0

-- What check says of a source: lines of LINE:COLUMN: MESSAGE.
local function check(source, name)
    names = names + 1
    local path = support.temporary(names .. (name or ".lua"), source)
    local result = support.run { "check", path }
    local said = result.stdout:gsub(path:gsub("%p", "%%%0") .. ":", "")
    assert.are.equal(said == "" and 0 or 1, result.status, result.stderr)
    return said
end

local API <const> = 'local api = require("mirrors").connect {}\n'
local BULK <const> = 'local bulk = require "kmirror.bulk"\n' .. API
local WAIT <const> = 'local wait = require "kmirror.wait"\n' .. API

describe("kmirror check", function()
    it("says nothing of the runbooks and scripts that ship", function()
        local files <close> = assert(io.popen("ls scripts/*.lua scripts/*/*.lua"))
        local words = { "check" }
        for path in files:lines() do words[#words + 1] = path end
        local result = support.run(words)
        assert.are.equal("", result.stdout)
        assert.are.equal(0, result.status)
        assert.is_truthy(result.stderr:find("no mistakes found in %d%d files"), result.stderr)
    end)

    it("says nothing of the guide's steps and the README's examples", function()
        local looked_at = 0
        for _, document in ipairs { "README.md", "scripts/README.md" } do
            for block in support.read(document):gmatch("\n```lua\n(.-)\n```") do
                assert.are.equal("", check(block, block:find("\ndescribe(", 1, true) and "_spec.lua"))
                looked_at = looked_at + 1
            end
        end
        assert.is_true(looked_at > 6)
    end)

    it("finds what cannot be compiled, with its place", function()
        assert.are.equal("2:11: expected expression near '='\n", check("local a = 1\nlocal x = = 1"))
        assert.is_truthy(check("local x <const> = 1\nx = 2"):find("^2:%d+: "))
    end)

    it("finds globals that are nowhere defined, and says what a file needs that the prompt has", function()
        assert.are.equal("1:1: unknown global 'prnt'. Did you mean 'print'?\n", check("prnt('x')"))
        assert.are.equal("1:7: unknown global 'x'\n", check("print(x)")) -- '_G' has no letter of it
        assert.are.equal("1:1: unknown global 'api': what the prompt has by itself, a file has to say: "
            .. 'local api = require("mirrors").connect {}\n', check("api:list()"))
        assert.is_truthy(check("tables.show()"):find('say: local tables = require("kmirror.table")\n', 1, true))
        assert.are.equal("1:20: 'total' is set here, but is nowhere defined: it wants a 'local' where it begins\n",
            check("local function f() total = 1 end f()"))
        assert.are.equal("1:1: unknown field 'insrt' of table. Did you mean 'insert'?\n", check("table.insrt({}, 1)"))
        assert.are.equal("", check("count = 0\nlocal function f() count = count + 1 end f() print(arg[0])"))
    end)

    it("finds modules that are not there, and takes those beside the runbook", function()
        assert.are.equal("1:9: there is no module 'kmirror.helth'. Did you mean 'kmirror.health'?\n",
            check('require "kmirror.helth"'))
        local directory = support.temporary_directory()
        support.write(directory .. "/regions.lua", "return {}")
        local path = support.write(directory .. "/a.lua", 'require "regions"\nrequire("argparse")\nrequire "regoins"')
        assert.are.equal(path .. ":3:9: module 'regoins' is neither beside the runbook nor where Lua's modules are\n",
            support.run { "check", path }.stdout)
        assert.are.equal("", check("package.path = '/opt/x/?.lua;' .. package.path\nrequire 'elsewhere'"))
    end)

    it("finds unknown fields of a mirror, however the runbook got it", function()
        local expected = "unknown field 'targetLatncy' of a mirror. Did you mean 'targetLatency'?\n"
        for _, source in ipairs {
            API .. "print(api:get('x').targetLatncy)",
            BULK .. "for _, m in ipairs(bulk.details(api)) do\nprint(m.targetLatncy) end",
            BULK .. "print(bulk.map(api:list(), function(l) return api:get(l.id) end)[1].targetLatncy)",
            BULK .. "local function f(m) return m.targetLatncy end\nbulk.filter(bulk.details(api), f)",
            BULK .. "local all = bulk.details(api)\ntable.sort(all, function(a) return a.targetLatncy end)",
            WAIT .. "wait.settle(api, {}, function(m) return m.targetLatncy end)",
            WAIT .. "local function get(id) return api:get(id) end\nlocal m = get('x')\nprint(m.targetLatncy)",
        } do
            local said = check(source)
            assert.are.equal(expected, (said:gsub("^%d+:%d+: ", "")), source)
        end
        assert.are.equal("2:21: a mirror as a list has it has no 'status': api:get(id) tells it, and "
            .. "bulk.details(api) of all\n", check(API .. "print(api:list()[1].status)"))
    end)

    it("says nothing of fields that the runbook itself gives, or that it cannot tell", function()
        assert.are.equal("", check(BULK .. "local m = bulk.details(api)[1]\nm.note = 'x'\nprint(m.note)\n"
            .. "local function f(x) return x.anything end\nlocal y = ... and api or {}\nprint(f, y.other)"))
    end)

    it("finds unknown methods and fields of the api, of modules, tasks, groups and results", function()
        for source, expected in pairs {
            [API .. "api:delet('x')"] = "2:5: unknown field 'delet' of an api. Did you mean 'delete'?",
            [BULK .. "bulk.eech()"] = "3:6: unknown field 'eech' of kmirror.bulk. Did you mean 'each'?",
            [BULK .. "print(bulk.each({}, print):sumary())"] =
                "3:28: unknown field 'sumary' of a result. Did you mean 'summary'?",
            ['local task = require "task"\ntask.spawn(print):jion()'] =
                "2:19: unknown field 'jion' of a task. Did you mean 'join'?",
            ['local task = require "task"\nlocal g <close> = task.group {}\ng:spwan(print)'] =
                "3:3: unknown field 'spwan' of a group. Did you mean 'spawn'?",
            [API .. "print(api:list().id)"] = "2:18: a list has no field 'id': one of its items may, as in list[1].id",
            [API .. "api.list()"] = "2:5: api:list is called with a colon, not a dot",
            [BULK .. "bulk:map({}, print)"] = "3:6: bulk.map is called with a dot, not a colon",
        } do
            assert.are.equal(expected .. "\n", check(source))
        end
        assert.are.equal("", check(API .. "api.list(api)\npcall(api.delete, api, 'x')"))
    end)

    it("finds what a call would refuse, in the words of the refusal", function()
        for source, expected in pairs {
            ["require('mirrors').connect { tiemout = 3 }"] =
                "1:30: mirrors.connect: unknown option 'tiemout'. Did you mean 'timeout'?",
            [BULK .. "bulk.each({}, print, { batchs = { 1 } })"] =
                "3:24: bulk.each: unknown option 'batchs'. Did you mean 'batches'?",
            [BULK .. "bulk.each({}, print, { rounds = 0 })"] =
                "3:33: bulk.each: rounds must be a whole number from 1 up, got 0",
            [BULK .. "bulk.map('x', print)"] = "3:10: bulk.map: items must be a list, got 'x'",
            [API .. "api:update_target_latency(..., 10)"] = "2:32: api:update_target_latency: ms must be an integer "
                .. "from 1000 to 2147483647, in milliseconds, got 10",
            [API .. "api:create { topicsRegx = 'x', sourceAlias = 'a', useRenaming = true, sourceType = 'custom' }"] =
                "2:12: api:create: maxTasks missing\n2:14: api:create: unknown field 'topicsRegx'. Did you mean "
                .. "'topicsRegex'?",
            ["require('task').group { concurency = 3 }"] =
                "1:25: task.group: unknown option 'concurency'. Did you mean 'concurrency'?",
        } do
            local said = check(source)
            assert.is_truthy(said:find(expected, 1, true), said .. "\n" .. expected)
        end
        local ran = support.run { "run", "--sandbox", "-", stdin = BULK .. "bulk.each({}, print, { rounds = 0 })" }
        assert.is_truthy(ran.stderr:find("bulk.each: rounds must be a whole number from 1 up, got 0", 1, true))
    end)

    it("finds calls that wait where nothing can", function()
        assert.are.equal("2:44: api:get waits, and in a function that string.gsub calls all other tasks wait with it: "
            .. "call it before\n", check(API .. "string.gsub(..., '%w', function(id) return api:get(id) end)"))
        assert.is_truthy(check("local task = require 'task'\nsetmetatable({}, { __gc = function() task.sleep(1) end })")
            :find("task.sleep waits, and in a function that the garbage collector calls", 1, true))
        assert.are.equal("", check(API .. "print((...):gsub('%w', string.upper), api:get('x'))"))
    end)

    it("takes busted's names in a spec, and only there", function()
        local source = "describe('x', function() it('y', function() assert.is_true(true) end) end)"
        assert.are.equal("", check(source, "_spec.lua"))
        assert.is_truthy(check(source):find("1:1: unknown global 'describe'", 1, true))
    end)

    it("tells of all files, as JSON when asked", function()
        local one, two = support.temporary("one.lua", "prnt()"), support.temporary("two.lua", "print()")
        local result = support.run { "check", "--json", one, two }
        assert.are.equal(1, result.status)
        assert.are.same({ { file = one, line = 1, column = 1,
            message = "unknown global 'prnt'. Did you mean 'print'?" } }, cjson.decode(result.stdout))
        result = support.run { "check", "--json", two }
        assert.are.equal("[]\n", result.stdout)
        assert.are.equal(0, result.status)
        assert.are.equal("stdin:1:1: unknown global 'prnt'. Did you mean 'print'?\n",
            (support.run { "check", "-", stdin = "prnt()" }.stdout:gsub("standard input", "stdin")))
    end)

    it("ends with 2 for a file that cannot be read", function()
        assert.are.equal("cannot read ./none.lua: No such file or directory; expected a runbook",
            support.usage_error("check", "./none.lua"))
    end)
end)
