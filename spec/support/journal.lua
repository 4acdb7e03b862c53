--- support.journal: runs Lua on top of a job whose changes it answers itself.
local assert = require("luassert")
local stores = require("spec.support.stores")
local support = require("spec.support")

-- What the scripts below run on: a job whose changes are answered by functions of theirs. The ledger of
-- creates is a stand-in that writes down what it is told.
local prelude = [[
    local journals, mirrors, task = require "kmirror.journal", require "mirrors", require "task"
    local json, stores = require "kmirror.json", require "kmirror.store"
    local path = %q

    local told, listener = {}, nil
    local ledger = {}
    function ledger:listen(fn) listener = fn end
    function ledger:seed(cluster, events)
        local entries = {}
        for _, event in ipairs(events) do
            local what = event.seen and table.concat(event.seen, "+") or event.made or event.sent.topicsRegex .. "?"
            told[#told + 1] = cluster .. ":" .. what
            if event.sent then entries[#entries + 1] = { entry = event.sent.topicsRegex } end
        end
        return entries
    end
    local its_ledger = ledger

    local run, change, answer
    local sent = {}

    -- Begins a run; `fields` are options of the journal.
    local function begin(fields)
        local options = { job = "j", store = path, script = "/s.lua", target = "here" }
        for key, value in pairs(fields or {}) do options[key] = value end
        run = journals.open(options)
        change = run:intercept()
        sent = {}
    end

    -- Ends it as a SIGKILL would.
    local function kill()
        run.lock:close()
        run.store:close()
    end

    local function ask(fields, cluster)
        fields.cluster, fields.ledger = cluster or "c", its_ledger
        local what = fields.spec and fields.spec.topicsRegex or fields.newTargetLatency
        local name = ("%%s %%s"):format(fields.operation, what or fields.id)
        return change(fields, function(how)
            if how and how.sending and not how.lost then how.sending() end
            sent[#sent + 1] = name
            return answer(name, how)
        end)
    end

    local function create(regex, fields)
        local spec = { sourceAlias = "a", topicsRegex = regex, maxTasks = 3 }
        for key, value in pairs(fields or {}) do spec[key] = value end
        return ask { operation = "create", spec = spec }
    end
    local function delete(id) return ask { operation = "delete", id = id } end
    local function latency(id, ms)
        return ask { operation = "update_target_latency", id = id, newTargetLatency = ms }
    end

    local ids = 0
    local function works(name)
        if name:find("^create") then
            ids = ids + 1
            return "id" .. ids
        end
    end
    local function fails(kind)
        return function() error(mirrors.error(kind, kind .. " it was", { operation = "x" }), 0) end
    end
    local function kind_of(fn, ...)
        local ok, problem = pcall(fn, ...)
        return ok and "ok" or type(problem) == "table" and problem.kind or problem
    end

    -- State and id of every change in the store, and why it failed.
    local function show()
        local store = stores.open(path)
        for _, row in ipairs(store:changes("j")) do
            print(row.operation, row.state, row.id or "-", row.problem or "-")
        end
        store:close()
    end
    answer = works
]]

local M = {}

--- A runbook that does this on top of that.
---@param store string
---@param script string
---@return string
function M.runbook(store, script)
    return prelude:format(store) .. script
end

--- Runs one; returns what it printed.
---@param script string
---@param options? { path?: string, env?: table, fails?: integer } a store, and the status that it fails with: then what
---  it says of that is returned
---@return string
function M.run(script, options)
    options = options or {}
    local path = options.path or stores.place "journal"
    local result = support.run { "run", "-", env = stores.env(options.env), stdin = M.runbook(path, script) }
    if options.fails then
        assert.are.equal(options.fails, result.status)
        return result.stderr
    end
    assert.are.equal("", result.stderr)
    assert.are.equal(0, result.status)
    return result.stdout
end

return M
