--- planning: what plan and apply share: a fleet file, the API, and a plan made of both; and plans that were saved.

local again = require("kmirror.again")
local connect = require("kmirror.connect")
local fleet = require("kmirror.fleet")
local host = require("host")
local journal = require("kmirror.journal")
local log = require("kmirror.log")
local memory = require("kmirror.memory")
local options = require("kmirror.options")
local profile = require("kmirror.profile")
local shell = require("kmirror.shell")
local refuse = require("kmirror.usage")

local M = {}

local default_max_delete = 10

--- The arguments and options of both, and those that are given besides.
---@param parser table
---@param ... table options of the command's own
function M.define(parser, ...)
    parser:argument("FLEET", "A fleet file: .lua, .json or .csv; - is JSON on standard input.")
        :argname("FLEET"):target("fleet")
    parser:group(
        "Plan",
        parser:flag("--prune", "Delete mirrors that are not in the file, too."),
        parser:option("--max-delete", "Refuse to delete more than that; default: 10."):argname("N")
            :convert(options.integer("--max-delete", "a whole number, 0 or more", 0)),
        ...
    )
end

--- How many mirrors may be deleted.
---@param given table
---@param saved? kmirror.fleet.saved
---@return integer
function M.most(given, saved)
    return given.max_delete or saved and saved.made.max_delete or default_max_delete
end

local function planner(api, wanted, prune, cluster)
    return function()
        return fleet.plan(api, wanted, { prune = prune, cluster = cluster })
    end
end

local function cluster_of(given)
    return given.cluster and profile.connect_cluster(given.cluster):lower()
end

--- Reads the file and compares it with what is there.
---@param given table
---@return kmirror.fleet.plan
---@return mirrors.Api
---@return fun(): kmirror.fleet.plan again compares once more
function M.plan(given)
    if fleet.saved.read(given.fleet) then
        refuse("%s is a saved plan: kmirror show %s prints it, kmirror apply %s carries it out", given.fleet,
            shell.word(given.fleet), shell.word(given.fleet))
    end
    local wanted = fleet.read(given.fleet)
    if #wanted.mirrors == 0 then
        log.warn("%s: there is no mirror in it: nothing is compared with what is there", given.fleet)
    end
    local api = connect(true) -- the clusters are those of the file
    local make = planner(api, wanted, given.prune, cluster_of(given))
    local plan = make()
    fleet.warn(plan)
    return plan, api, make
end

-- ---- saved plans --------------------------------------------------------------------------------------------

--- What a saved plan tells of how it was made.
---@param given table
---@param plan kmirror.fleet.plan
---@param api mirrors.Api
---@return kmirror.fleet.made
function M.made(given, plan, api)
    return {
        at = memory.time(), by = host.version, fleet = given.fleet, directory = host.directory(),
        account = fleet.saved.account(api, plan), prune = given.prune, cluster = cluster_of(given),
        max_delete = M.most(given),
    }
end

--- The command that makes a saved plan anew.
---@param path string
---@param saved kmirror.fleet.saved
---@param given table
---@return string
function M.anew(path, saved, given)
    local made = saved.made
    local words = { "plan", shell.word(made.fleet), "-o", shell.word(path) }
    words[#words + 1] = made.prune and "--prune" or nil
    words[#words + 1] = made.max_delete ~= default_max_delete and "--max-delete " .. made.max_delete or nil
    words[#words + 1] = made.cluster and not given.cluster and "--cluster " .. made.cluster or nil
    return again.prefix(true) .. table.concat(words, " ")
end

--- How to continue when a saved plan was carried out in part.
---@param given table
---@param saved kmirror.fleet.saved
---@return string
function M.to_continue(given, saved)
    local opened = journal.current()
    if opened then return "resume the job: what is done is not done twice" end
    return ("make the plan anew, and look at it: %s"):format(M.anew(given.fleet, saved, given))
end

-- What a plan is about cannot be said anew.
local function refuse_options(path, given, made)
    if given.prune and not made.prune then
        refuse("%s was made without --prune: give it to kmirror plan", path)
    elseif cluster_of(given) and cluster_of(given) ~= made.cluster then
        refuse("%s was made %s: give --cluster to kmirror plan", path,
            made.cluster and "with --cluster " .. made.cluster or "without --cluster")
    end
end

-- What the job of this run has done of a plan in its earlier runs.
local function own_changes()
    local opened = journal.current()
    if not opened or #opened.runs < 2 then return nil end
    local own, created = { deleted = {}, retuned = {} }, {}
    local function key(cluster, ...)
        return table.concat({ cluster:lower(), ... }, "\0")
    end
    for _, change in ipairs(opened.changes) do
        local arguments = change.arguments
        if change.operation == "delete" then own.deleted[change.id] = true end
        if change.operation == "update_target_latency" then own.retuned[change.id] = true end
        if change.operation == "create" and change.id then
            created[key(change.cluster, change.id)] = true
        elseif change.operation == "create" and change.state == "sent" then
            created[key(change.cluster, arguments.topicsRegex, arguments.sourceAlias)] = true
        end
    end
    function own.is_created(found)
        return created[key(found.cluster, found.id)]
            or created[key(found.cluster, found.topicsRegex, found.sourceAlias)] or false
    end
    return own
end

--- A saved plan, when it is still true: made once more, and found to be the same, but for what this job has done of it.
---@param given table
---@param saved kmirror.fleet.saved
---@return kmirror.fleet.plan
---@return mirrors.Api
---Raises usage when it is stale, or is for another account.
function M.saved(given, saved)
    local path, made = given.fleet, saved.made
    refuse_options(path, given, made)
    local api = connect(true)
    fleet.stale.check_account(path, saved, api)
    local wanted = fleet.read(fleet.saved.fleet_file(saved))
    local again_with = M.anew(path, saved, given)
    fleet.stale.check_fleet(path, saved, wanted, again_with)
    local plan = planner(api, wanted, made.prune, made.cluster)()
    fleet.warn(plan)
    fleet.stale.check_there(path, saved, plan, own_changes(), again_with)
    return plan, api
end

return M
