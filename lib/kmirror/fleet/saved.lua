--- fleet.saved: a plan in a file, to be looked at, and to be carried out later as it was looked at.
---
--- JSON: `digest` over the plan, `format`, `plan`, `version` of the format. The plan has what it was made from (`made`:
--- when, the fleet file, account, options; `mirrors` of the file; what was `there`), and what it would change, in the
--- shape of kmirror.fleet.plan. Connection properties are not in it: what they are taken from is, and a digest of what
--- in them is no secret.

local changes = require("kmirror.changes")
local fields = require("mirrors").fields
local host = require("host")
local json = require("kmirror.json")
local json_source = require("kmirror.fleet.json_source")
local kept = require("kmirror.fleet.kept")
local mirrors = require("mirrors")
local profile = require("kmirror.profile")
local sensitive = require("kmirror.sensitive")
local textfile = require("kmirror.textfile")
local refuse = require("kmirror.usage")

local M = {}

local format <const> = "kmirror plan"
local version <const> = 1

---@class kmirror.fleet.saved: kmirror.fleet.plan
---@field made kmirror.fleet.made

---@class kmirror.fleet.made
---@field at string when, UTC
---@field by string version of kmirror
---@field fleet string the fleet file, as it was called
---@field directory string where kmirror ran
---@field account kmirror.fleet.account
---@field prune? boolean
---@field cluster? string UUID
---@field max_delete integer

---@class kmirror.fleet.account what the plan was made with
---@field endpoint string
---@field username? string
---@field apis table<string, string> version of the API by the UUIDs of the clusters

-- ---- what it holds ------------------------------------------------------------------------------------------

local fields_of_wanted = {
    "line", "to", "cluster", "sourceAlias", "topicsRegex", "targetLatency", "sourceType", "kafkaSource", "useRenaming",
    "usePrivateIps", "maxTasks",
}
local fields_of_found = { "id", "cluster", "connectorName", "sourceAlias", "topicsRegex" }

local function pick(names, from)
    local picked = {}
    for _, field in ipairs(names) do picked[field] = from[field] end
    return picked
end

-- Text in the fleet file may be a password, and a command may hold one; the name of a file or a variable is none.
local function name_of(secret)
    if secret.from == "text" then return nil end
    local is_secret = secret.from == "command" and sensitive.may_hold(secret.value)
    return is_secret and sensitive.hidden or secret.value
end

local function wanted_form(wanted)
    local form, secret = pick(fields_of_wanted, wanted), wanted.secret
    form.properties = secret and { from = secret.from, name = name_of(secret) } or nil
    return form
end

local function found_form(found)
    local form = pick(fields_of_found, found)
    form.targetLatency = found.details and found.details.targetLatency
    return form
end

-- A digest of connection properties that stays when a password in them is another.
local function digest_of_properties(text)
    local parts = {}
    for name, value in pairs(mirrors.properties.read(text)) do
        parts[#parts + 1] = not mirrors.properties.is_secret(name) and ("%s=%s"):format(name, value) or nil
    end
    table.sort(parts)
    return host.hmac_sha256("kmirror properties", table.concat(parts, "\n"))
end

local function create_form(create)
    local properties = create.spec.sourceConnectionProperties
    return {
        wanted = wanted_form(create.wanted), spec = changes.shown(create.spec),
        properties = properties and digest_of_properties(properties),
    }
end

local function map(list, form)
    local forms = json.array({})
    for i, item in ipairs(list) do forms[i] = form(item) end
    return forms
end

local function retune_form(retune)
    return { wanted = wanted_form(retune.wanted), found = found_form(retune.found), old = retune.old }
end

local function blocked_form(blocked)
    return {
        wanted = wanted_form(blocked.wanted), reason = blocked.reason, found = map(blocked.found, found_form),
        differences = blocked.differences,
    }
end

local function warning_form(warning)
    return { line = warning.line, message = warning.message }
end

-- As it is when it has been read again.
local function as_read(value)
    local read = json.decode(json.encode(value))
    return read
end

local function form_of(plan, made)
    return {
        made = made,
        names = plan.names, whole = plan.whole, unchanged = plan.unchanged,
        mirrors = map(plan.mirrors, wanted_form),
        there = map(plan.there, found_form),
        create = map(plan.create, create_form),
        retune = map(plan.retune, retune_form),
        delete = map(plan.delete, found_form),
        blocked = map(plan.blocked, blocked_form),
        unlisted = map(plan.unlisted, found_form),
        unclear = map(plan.unclear, found_form),
        warnings = map(plan.warnings, warning_form),
    }
end

--- A plan as it is kept.
---@param plan kmirror.fleet.plan
---@return kmirror.fleet.saved without what it was made from, and without a fleet
function M.form(plan)
    return as_read(form_of(plan))
end

--- Mirrors of a fleet file as they are kept.
---@param wanted kmirror.fleet.wanted[]
---@return table[]
function M.form_of_mirrors(wanted)
    return as_read(map(wanted, wanted_form))
end

--- What an api works with, as far as a plan depends on it.
---@param api mirrors.Api
---@param plan { names: table<string, string> }
---@return kmirror.fleet.account
function M.account(api, plan)
    local options, apis = api.account.options, {}
    for cluster in pairs(plan.names) do
        local own = options.clusters and options.clusters[cluster]
        apis[cluster] = own and "connect" or options.apis and options.apis[cluster] or options.api
    end
    return {
        endpoint = profile.current().sandbox and "the sandbox" or profile.own_urls() or options.endpoint,
        username = options.username, apis = apis,
    }
end

-- ---- the file -----------------------------------------------------------------------------------------------

-- Over what is read, so that line ends and indentation do not count.
local function digest_of(plan)
    return host.hmac_sha256(("%s %d"):format(format, version), json.encode(plan))
end

--- Refuses to write where something is that is no saved plan: the fleet file itself, perhaps, by another name.
---@param path string
function M.check_target(path)
    local file <close> = not require("kmirror.file").is_stream(path) and io.open(path, "rb") or nil
    local begins = file and file:read(300) or ""
    if begins ~= "" and not begins:find(format, 1, true) then
        refuse("-o %s: there is a file of that name that is no saved plan, and it is not written over; give the plan "
            .. "another name, or remove that file", path)
    end
end

--- Writes a plan; the whole of it is on the disk then. Raises usage when it cannot be written.
---@param path string
---@param plan kmirror.fleet.plan
---@param made kmirror.fleet.made
---@return string digest
function M.write(path, plan, made)
    local form = form_of(plan, made)
    local digest = digest_of(as_read(form))
    local ok, problem = pcall(json.write, path,
        { digest = digest, format = format, version = version, plan = form })
    return ok and digest or refuse("%s", tostring(problem))
end

local function anew(path)
    return ("make it anew: kmirror plan FLEET -o %s"):format(path)
end

-- What stands there twice is one thing to whoever reads the file, and another to who carries it out.
local function twice_in(place)
    if place.twice then return place.twice end
    for _, part in pairs(place.parts) do
        local found = twice_in(part)
        if found then return found end
    end
end

-- Raises usage for what is not as kmirror has written it.
local function check(path, whole, place)
    local twice = twice_in(place)
    if twice then
        refuse("%s is not as kmirror has written it: '%s' stands there twice, in line %d; %s", path, twice.key,
            twice.line, anew(path))
    elseif whole.version ~= version then
        refuse("%s is a saved plan of version %s; this kmirror (%s) knows version %d: %s", path,
            fields.shown(whole.version), host.version, version, anew(path))
    elseif type(whole.plan) ~= "table" or digest_of(whole.plan) ~= whole.digest then
        refuse("%s is not as kmirror has written it: it was changed or damaged (its digest does not match); %s", path,
            anew(path))
    end
    local problem = fields.problem("plan", kept, whole.plan)
    if problem then
        refuse("%s is not as kmirror has written it: %s; %s", path, problem, anew(path))
    end
end

-- What a plan for people is written with.
local function revive(whole)
    local plan = whole.plan
    plan.fleet = { document = { at = function(_, line)
        return ("%s:%d"):format(plan.made.fleet, line)
    end } }
    plan.digest = whole.digest
    return plan
end

local by_extension = { lua = "fleet", csv = "fleet", json = "either" }

--- The plan in a file; nil when it is a fleet file by its name, or JSON that is no plan. Raises usage for a plan that
--- was changed or damaged, for one of another version, and for a file that is neither.
---@param path string
---@return kmirror.fleet.saved|nil
function M.read(path)
    local kind = by_extension[(path:match("%.(%w+)$") or ""):lower()]
    if path == "-" or kind == "fleet" or kind and require("kmirror.file").is_stream(path) then
        return nil
    end
    local content = textfile.read(path, "a fleet file, or a saved plan")
    local whole, problem = json.decode(content)
    if type(whole) == "table" and whole.format == format then
        check(path, whole, select(2, json_source(path, content)))
        return revive(whole)
    elseif problem and content:sub(1, 300):find(format, 1, true) then
        refuse("%s is a damaged plan: %s; %s", path, problem, anew(path))
    elseif not kind then
        refuse("%s: expected a fleet file, whose name ends in .lua, .json or .csv, or a plan that kmirror plan -o has "
            .. "saved", path)
    end
end

--- Where the fleet file of a saved plan is now. Raises usage when it is not there.
---@param saved kmirror.fleet.saved
---@return string path
function M.fleet_file(saved)
    local made = saved.made
    local whole = made.fleet:sub(1, 1) == "/" and made.fleet or made.directory .. "/" .. made.fleet
    for _, path in ipairs({ made.fleet, whole }) do
        local file <close> = io.open(path, "rb")
        if file then return path end
    end
    refuse("the plan was made from %s, which is not there: it is read again, as the plan holds no passwords", whole)
end

return M
