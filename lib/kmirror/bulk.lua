--- bulk: the same work on many things, several at a time.
---
---     local result = bulk.each(mirrors, function(mirror)
---         api:delete(mirror.id)
---     end, { batches = { 1, "10%", "100%" }, max_failures = "10%", gate = looks_well })
---     return result:status()

local batches = require("kmirror.batches")
local fields = require("mirrors").fields
local joint = require("kmirror.joint")
local problems = require("kmirror.problem")
local progress = require("kmirror.progress")
local results = require("kmirror.bulk.result")
local runs = require("kmirror.bulk.run")
local task = require("task")

local M = {}

local default_concurrency = 16
local default_pause = 3 -- seconds between two rounds

-- ---- plain ------------------------------------------------------------------------------------------------

--- What `work` makes of each item, in the same order. The first failure stops the others, and is raised.
---@generic T, U
---@param items T[]
---@param work fun(item: T, index: integer): U
---@param concurrency? integer how many at a time; 16 by default
---@param title? string what to call it while it runs, outside of steps; the place in the runbook by default
---@return U[]
---@async
function M.map(items, work, concurrency, title)
    local made, bar <close> = {}, progress.items(#items, title)
    local group <close> = task.group({ concurrency = concurrency or default_concurrency })
    for i, item in ipairs(items) do
        group:spawn(function()
            bar:join()
            made[i] = work(item, i)
            bar:step()
        end)
    end
    group:wait()
    return made
end

--- The items of which `keep` says something true, in the same order. The first failure stops the others, and is
--- raised.
---@generic T
---@param items T[]
---@param keep fun(item: T, index: integer): any
---@param concurrency? integer how many at a time; 16 by default
---@param title? string as for map()
---@return T[]
---@async
function M.filter(items, keep, concurrency, title)
    local wanted, kept = M.map(items, keep, concurrency, title), {}
    for i, item in ipairs(items) do kept[#kept + 1] = wanted[i] and item or nil end
    return kept
end

-- ---- with failures ----------------------------------------------------------------------------------------

---@class kmirror.bulk.options
---@field concurrency? integer how many at a time; 16 by default
---@field batches? (integer|string)[] how many items each batch has, as a number or a percentage of all; the last one
---  is repeated until none is left: {1, "10%", "100%"} is one, then a tenth, then the rest
---@field gate? fun(batch: kmirror.bulk.batch): any, string? looks at each batch when it is done; nothing more is begun
---  when it returns false, with the reason, or raises
---@field max_failures? integer|string how many items may fail: a number of all, or a percentage of a batch; no limit
---  by default
---@field on_error? "continue"|"stop" "stop": the first failure is one too many
---@field rounds? integer how often an item is tried that fails of what is transient: a broken connection, a late
---  answer, a server in trouble, too many requests; once by default, as the api retries by itself
---@field pause? number seconds between two rounds; 3 by default
---@field shared? boolean|string false: with --join each runner does all of it for itself; a name: by which the runners
---  know it, needed only where two at once stand in one place of the runbook
---@field key? fun(item: any): string what an item is, for runners that share the job (--join): the same text on all of
---  them; default: its id, or all that it holds
---@field title? string what to call it while it runs, outside of steps; the place in the runbook by default
---@field progress? fun(ended: integer, failed: integer, total: integer) told of each item that has ended, instead of
---  what is shown otherwise

---@class kmirror.bulk.batch: kmirror.bulk.result
---@field number integer from 1
---@field done kmirror.bulk.outcome[]
---@field failed kmirror.bulk.outcome[]
---@field untouched any[] items that were not begun

-- What shows how far it is, and what is told of that.
local function show(items, options)
    if options.progress then return progress.told(options.progress), options.progress end
    local bar = progress.items(#items, options.title)
    return bar, function(ended, failed)
        bar:set(ended, failed)
    end
end

-- By what the other runners know it, too.
local function name_of_place(shared)
    return type(shared) == "string" and shared or progress.place()
end

local function do_alone(run, work, plan, ask)
    local stopped, number
    for i, span in ipairs(plan) do
        number = i
        stopped = runs.batch(run, work, span.first, span.last) or ask(i, span)
        if stopped then break end
    end
    return stopped, number
end

--- Does `work` on each item and keeps what came of it: a failure does not stop the others, unless there are too many.
--- Raises at once what would befall every item: `unauthorized`, `read_only`, `cancelled`, and mistakes in `work` such
--- as a call of nil. Failures that nobody looks at (the result's failed, untouched, stopped, status, summary) are told
--- of at the end of the run, which then does not end with 0.
---
--- With --join, outside of other items: the items are shared among the runners of the job, and the result tells of all
--- of them, whoever did them. The value of one that another runner did is what JSON can hold of it.
---@param items any[]
---@param work fun(item: any, index: integer): any
---@param options? kmirror.bulk.options
---@return kmirror.bulk.result
---Raises `invalid` for an option that is unknown or wrong.
---@async
function M.each(items, work, options)
    options = options or {}
    local may_fail = options.on_error == "stop" and 0 or options.max_failures
    local bar <close>, tell = show(items, options)
    local run = {
        items = items, outcomes = {}, ended = 0, failed = 0, max_failures = may_fail, bar = bar, progress = tell,
        concurrency = options.concurrency or default_concurrency, rounds = options.rounds or 1,
        pause = options.pause or default_pause,
    }
    local plan = batches.cut(#items, options.batches or { "100%" })
    batches.limit(run.max_failures, 0, #items)
    local function ask(number, span)
        local batch = results.new(items, run.outcomes, span.first, span.last, { number = number })
        return options.gate and runs.ask(options.gate, batch) or nil
    end
    local place, shared = options.title or progress.place(), options.shared ~= false and joint.here()
    local stopped, number, own
    if shared then
        stopped, number, own = require("kmirror.bulk.shared").run(run, work, plan,
            { joint = shared, place = name_of_place(options.shared), key = options.key }, ask)
    else
        stopped, number = do_alone(run, work, plan, ask)
    end
    return results.watch(results.new(items, run.outcomes, 1, #items, { stopped = stopped, batch = number, own = own }),
        place)
end

--- What can be given as `progress`: a bar on a terminal; elsewhere a line on stderr every few seconds, for work that
--- takes long.
---@param title string
---@return fun(ended: integer, failed: integer, total: integer)
function M.tell(title)
    return progress.counter(title)
end

--- Tells of the results with failures that nobody has looked at. kmirror does so when a run is over.
---@type fun(status: integer): integer  takes the run's exit status, and gives that of such a result instead of 0
M.finish = results.finish

-- ---- a fleet ----------------------------------------------------------------------------------------------

--- How many mirrors are read at once: enough for the account's rate when an answer takes a second or two.
M.reads = 64

local function list_all(apis, on_problem)
    local lists = M.map(apis, function(api)
        local ok, list = pcall(api.list, api)
        if not ok and (not on_problem or problems.is_hopeless(list)) then
            error(list, 0)
        elseif not ok then
            on_problem({ cluster = api.cluster }, list)
        end
        return ok and list or {}
    end, nil, "list clusters")
    local all = {}
    for i, list in ipairs(lists) do
        for _, listed in ipairs(list) do
            all[#all + 1] = { api = apis[i], listed = listed }
            listed.cluster = apis[i].cluster
        end
    end
    return all
end

--- A mirror in full; nil when it is gone, as a list may run behind.
---@param api mirrors.Api on its cluster
---@param listed table as a list has it, or just its id
---@param on_problem? fun(listed: mirrors.Summary, problem: any): table? told of one that cannot be read; what it
---  returns takes the mirror's place. Without it that is raised
---@return mirrors.Mirror|nil
---Raises what api:get() raises, and with `on_problem` only what would befall every mirror.
---@async
function M.read(api, listed, on_problem)
    local ok, mirror = pcall(api.get, api, listed.id)
    if ok then
        return mirror
    elseif problems.is_gone(mirror) then
        return nil
    elseif not on_problem or type(mirror) ~= "table" or problems.is_hopeless(mirror) then
        error(mirror, 0)
    end
    return on_problem(listed, mirror)
end

--- Lists clusters and reads their mirrors in full, as the list alone tells next to nothing of them: one request a
--- cluster and one a mirror. Each mirror also gets the field `cluster`, the UUID of its Kafka Connect cluster.
---@param api mirrors.Api|mirrors.Api[] one cluster, or several
---@param filter? fun(listed: mirrors.Summary): any which to read, by what a list says: id, connectorName, topicsRegex,
---  cluster
---@param on_problem? fun(about: table, problem: any) told of a cluster that cannot be listed ({ cluster = … }) or a
---  mirror that cannot be read (as listed), which are then left out; without it that is raised
---@return mirrors.Mirror[] mirrors in the order of the clusters and their lists
---Raises what api:list() and api:get() raise.
---@async
function M.details(api, filter, on_problem)
    local apis = api.list and { api } or api
    local wanted = {}
    for _, entry in ipairs(list_all(apis, on_problem)) do
        wanted[#wanted + 1] = (not filter or filter(entry.listed)) and entry or nil
    end
    local found = {}
    local function left_out(listed, problem)
        on_problem(listed, problem)
    end
    for i, mirror in ipairs(M.map(wanted, function(entry)
        return M.read(entry.api, entry.listed, on_problem and left_out) or false
    end, M.reads, "read mirrors")) do
        if mirror then
            mirror.cluster = wanted[i].listed.cluster
            found[#found + 1] = mirror
        end
    end
    return found
end

-- ---- what the arguments may be --------------------------------------------------------------------------

local items, concurrency, title = fields.list(), fields.integer(1), fields.string

local options = fields.options({
    concurrency = concurrency, batches = fields.list(fields.amount(1)), gate = fields.fn,
    max_failures = fields.amount(0), on_error = fields.one_of("continue", "stop"), rounds = fields.integer(1),
    pause = fields.number(0, "seconds"), key = fields.fn, title = title, progress = fields.fn,
    shared = fields.either(fields.boolean, fields.string),
})

return fields.guard("bulk", M, {
    map = { "items", items, "work", fields.fn, "concurrency?", concurrency, "title?", title },
    filter = { "items", items, "keep", fields.fn, "concurrency?", concurrency, "title?", title },
    each = { "items", items, "work", fields.fn, "options?", options },
    tell = { "title", title },
    finish = { "status", fields.integer(0) },
    read = { "api", fields.api, "listed", fields.table, "on_problem?", fields.fn },
    details = {
        "api", fields.either(fields.api, fields.list(fields.api, "a list of them")), "filter?", fields.fn,
        "on_problem?", fields.fn,
    },
})
