--- Findings that would stop a run, and those that the operator takes responsibility for with --accept KIND.

local changes = require("kmirror.changes")
local fields = require("mirrors").fields
local log = require("kmirror.log")
local memory = require("kmirror.memory")
local text = require("kmirror.text")

local M = {}

--- What can be accepted, and what it then comes to. What surely makes records go round in a loop cannot be.
M.kinds = {
    { "failed", "a mirror is FAILED: what it has not copied is missing in TO" },
    { "stale", "a mirror is STALE_TOPIC: what it has not copied is missing in TO" },
    { "out_of_sync", "a mirror is OUT_OF_SYNC" },
    { "creating", "a mirror is CREATING: it has not copied all yet" },
    { "connector", "a connector of a mirror does not run" },
    { "silent", "a mirror lists no topic" },
    { "late", "a topic is later than its mirror's target latency" },
    { "unreadable", "a mirror cannot be read" },
    { "duplicate", "two mirrors are of the same topics" },
    { "opposite", "a mirror runs the other way, of other topics or not well" },
    { "missing", "failback: a mirror that was reversed has no successor" },
    { "overlap", "a mirror that is not reversed with it may match its topics" },
}

local known = {}
for _, kind in ipairs(M.kinds) do known[kind[1]] = true end

--- The kinds for help, a line each.
---@return string
function M.help()
    local lines = {}
    for i, kind in ipairs(M.kinds) do lines[i] = ("  %-12s %s"):format(kind[1], kind[2]) end
    return table.concat(lines, "\n")
end

--- A converter for argparse: a kind, in upper or lower case, with - or _.
---@param word string
---@return string|nil
---@return string|nil problem
function M.read(word)
    local kind = word:lower():gsub("-", "_")
    if known[kind] then return kind end
    return nil, "--accept: " .. fields.unknown("kind of finding", word, known)
end

---@class kmirror.failover.problem
---@field [1] table the mirror
---@field [2] string what is wrong with it, to follow "mirror ID of 'REGEX' "
---@field kind string|nil of the finding; nil when it cannot be accepted

local function is_accepted(run, problem)
    for _, kind in ipairs(run.given.accept) do
        if kind == problem.kind then return true end
    end
    return false
end

local function words_of(problem)
    return ("mirror %s of '%s' %s"):format(problem[1].id, text.short(problem[1].topicsRegex), problem[2])
end

-- What the operator has taken responsibility for, as keys of a table.
local function noted_of(run)
    local noted = {}
    for _, each in ipairs(run.accepted) do noted[each.kind .. " " .. each.id] = true end
    return noted
end

-- Notes down, once, what the operator has taken responsibility for.
local function note(run, noted, problem)
    local list, key = run.accepted, problem.kind .. " " .. problem[1].id
    if noted[key] then return end
    noted[key] = true
    list[#list + 1] = {
        kind = problem.kind, id = problem[1].id, topicsRegex = problem[1].topicsRegex, message = problem[2],
        at = memory.time(),
    }
end

-- "to continue in spite of that: --accept failed --accept late".
local function way_out(stopping)
    local asked, words = {}, {}
    for _, problem in ipairs(stopping) do
        if not problem.kind then return nil end
        if not asked[problem.kind] then
            asked[problem.kind] = true
            words[#words + 1] = "--accept " .. problem.kind
        end
    end
    return table.concat(words, " ")
end

--- Tells what was found, and returns what of it stops the run. What is accepted is a warning, and noted down.
---@param run kmirror.failover.run
---@param found kmirror.failover.problem[]
---@return kmirror.failover.problem[]
function M.stopping(run, found)
    local stopping, noted = {}, noted_of(run)
    for _, problem in ipairs(found) do
        if is_accepted(run, problem) then
            log.warn("accepted (%s): %s", problem.kind, words_of(problem))
            note(run, noted, problem)
        else
            log.error("%s", words_of(problem))
            stopping[#stopping + 1] = problem
        end
    end
    return stopping
end

--- Raises when something was found that nobody has accepted.
---@param run kmirror.failover.run
---@param found kmirror.failover.problem[]
---@param unchanged string "nothing was changed"
function M.refuse_unless_accepted(run, found, unchanged)
    local stopping = M.stopping(run, found)
    if #stopping == 0 then return end
    local way = way_out(stopping)
    if way then
        log.error("to take responsibility for what was found, once it is understood: %s", way)
    end
    error(("refused: %s with the mirrors between %s and %s; %s"):format(text.count(#stopping, "problem"),
        run.from.alias, run.to.alias, unchanged), 0)
end

--- What was accepted, in words: "2 findings accepted: failed 1, late 1"; nil when nothing was.
---@param accepted table[]|nil
---@return string|nil
function M.words(accepted)
    local count, order = {}, {}
    for _, each in ipairs(accepted or {}) do
        if not count[each.kind] then order[#order + 1] = each.kind end
        count[each.kind] = (count[each.kind] or 0) + 1
    end
    if #order == 0 then return nil end
    local words = {}
    for i, kind in ipairs(order) do words[i] = ("%s %d"):format(kind, count[kind]) end
    return ("%s accepted by --accept: %s"):format(text.count(#accepted, "finding"), table.concat(words, ", "))
end

--- Does what the operator accepted as a step of the run, so that its report and its timeline have it.
---@param run kmirror.failover.run
---@param before integer how many were accepted before
function M.tell(run, before)
    if #run.accepted == before then return end
    run:step("accept findings", function()
        return M.words(table.move(run.accepted, before + 1, #run.accepted, 1, {}))
    end)
    if not changes.harmless() and run.saving then run:set({ accepted = run.accepted }) end
end

return M
