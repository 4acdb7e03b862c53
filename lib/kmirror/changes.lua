--- changes: what becomes of a change under --dry-run, --read-only and --job.

local fields = require("mirrors").fields
local mirrors = require("mirrors")

local M = {}

---@type "sent"|"planned"|"refused"
local fate = "sent"
local current

local function install(new_fate, intercept)
    fate, current = new_fate, intercept
    mirrors.intercept(intercept)
end

--- The operations that change something, in order.
---@type mirrors.Operation[]
M.operations = {}
for _, operation in ipairs(mirrors.operations) do
    if operation.effect ~= "reads" then table.insert(M.operations, operation) end
end

--- Does an operation change something?
---@param name string
---@return boolean
function M.is_change(name)
    return mirrors.operations[name].effect ~= "reads"
end

--- Refuses every change from here on, with an error of the kind read_only.
function M.refuse()
    install("refused", function(change)
        error(mirrors.error("read_only", "refused: --read-only allows no changes", {
            operation = change.operation,
            cluster = change.cluster,
            id = change.id,
        }), 0)
    end)
end

--- Lets a journal step in for every change from here on.
---@param intercept? fun(change: table, proceed: fun(how?: table): any): any
function M.record(intercept)
    install("sent", intercept)
end

-- Ids of mirrors that exist only in the plan; they look like real ones.
local function placeholder(count)
    return ("00000000-0000-4000-8000-%012x"):format(count)
end

-- Asks for what the change is about, so that a dry run fails where the real run would.
local function check(change, known)
    local api = change.api
    if change.id and not known[change.id] then
        api:get(change.id)
    elseif not change.id and not known[change.cluster] then
        api:list()
        known[change.cluster] = true
    end
end

--- Sends no change from here on: each is checked against what is there, as far as that can be, and given to
--- `tell` instead. A create is answered with the id of a mirror that does not exist.
---@param tell fun(change: table)
function M.plan(tell)
    local known, created = {}, 0
    install("planned", function(change)
        check(change, known)
        tell(change)
        if change.operation ~= "create" then return nil end
        created = created + 1
        known[placeholder(created)] = true
        return placeholder(created)
    end)
end

--- True under --dry-run: waiting for the effect of a change would be in vain.
---@return boolean
function M.planned()
    return fate == "planned"
end

--- True when no change will be sent, so that nobody has to confirm any.
---@return boolean
function M.harmless()
    return fate ~= "sent"
end

--- True when a journal notes down each change before it is sent.
---@return boolean
function M.noted_down()
    return fate == "sent" and current ~= nil
end

--- Runs `work` with its changes checked as far as can be without the API, and nothing else done with them.
---@param work fun()
function M.rehearse(work)
    mirrors.properties.hold_warnings(true)
    warn("@off") -- what there is to warn of is said when the change is sent
    mirrors.intercept(function() end)
    local ok, problem = pcall(work)
    mirrors.intercept(current)
    warn("@on")
    mirrors.properties.hold_warnings(false)
    if not ok then error(problem, 0) end
end

--- The argument of a change, field by field, with its secrets; nothing for one without an argument.
---@param change table
---@return table<string, any>
function M.fields(change)
    local operation = mirrors.operations[change.operation]
    return operation.argument and operation.fields(change[operation.argument]) or {}
end

-- Not shown: it often holds a password.
local hidden = { sourceConnectionProperties = true }

--- Fields without their secrets.
---@param all table
---@return table
function M.shown(all)
    local copy = {}
    for key, value in pairs(all) do copy[key] = hidden[key] and "(hidden)" or value end
    return copy
end

--- A change from what was recorded of it: its fields, without secrets.
---@param row { operation: string, cluster: string, id: string|nil, arguments: table<string, any> }
---@return table change
function M.recorded(row)
    local change = { operation = row.operation, cluster = row.cluster, id = row.id }
    local operation = mirrors.operations[row.operation]
    if operation.argument then change[operation.argument] = operation.from(row.arguments) end
    return change
end

--- A change in words that can be printed: "delete mirror ... on cluster ...".
---@param change table
---@return string
function M.describe(change)
    return mirrors.printable(mirrors.operations[change.operation].sentence(change))
end

-- ---- what the arguments may be --------------------------------------------------------------------------

local function has_operation(value)
    return type(value) == "table" and mirrors.operations[value.operation] ~= nil
end

local change = { expected = 'a change, such as { operation = "delete", cluster = …, id = … }', fits = has_operation }
local names = {}
for i, operation in ipairs(mirrors.operations) do names[i] = operation.name end

return fields.guard("changes", M, {
    refuse = {},
    record = { "intercept?", fields.fn },
    plan = { "tell", fields.fn },
    planned = {},
    harmless = {},
    noted_down = {},
    rehearse = { "work", fields.fn },
    shown = { "all", fields.table },
    is_change = { "name", fields.one_of(table.unpack(names)) },
    fields = { "change", change },
    recorded = { "row", { expected = "a row of the journal that tells of a change", fits = has_operation } },
    describe = { "change", change },
})
