--- fleet.warnings: what a plan may bring about that was not meant.

local health = require("kmirror.health")
local mirrors = require("mirrors")
local order = require("kmirror.order")
local overlaps = require("kmirror.fleet.overlaps")
local regex = require("kmirror.regex")
local text = require("kmirror.text")
local wait = require("kmirror.wait")

local M = {}

---@class kmirror.fleet.warning
---@field line? integer of the fleet file
---@field message string

local function warn(list, line, message, ...)
    list[#list + 1] = { line = line, message = message:format(...) }
end

-- One that is there, but does not work: nothing that a plan could mend.
local function of_states(list, matched)
    for _, mirror in ipairs(matched) do
        if wait.has_failed(mirror.details) then
            warn(list, nil, "mirror %s of '%s' from %s %s; delete it, so that it is created again", mirror.id,
                text.short(mirror.topicsRegex), mirror.sourceAlias, health.problem(mirror.details))
        end
    end
end

local function of_regexes(list, plan)
    for _, create in ipairs(plan.create) do
        local wanted = create.wanted
        local problem = regex.problem(wanted.topicsRegex)
        if problem then
            warn(list, wanted.line, "'%s': it cannot be tried out here: %s", text.short(wanted.topicsRegex),
                problem.message)
        else
            for _, note in ipairs(regex.warnings(wanted.topicsRegex)) do
                warn(list, wanted.line, "'%s': %s", text.short(wanted.topicsRegex), note.message)
            end
        end
    end
end

-- By cluster and source: the mirrors that there will be, and the topics that are known.
local function by_source(plan, wanted, matched, is_new)
    local groups = {}
    local function group_of(mirror)
        local key = mirror.cluster .. " " .. (mirror.sourceAlias or "")
        groups[key] = groups[key] or { takers = {}, topics = {} }
        return groups[key]
    end
    for _, mirror in ipairs(wanted) do
        local taker = { topicsRegex = mirror.topicsRegex, line = mirror.line, is_new = is_new[mirror] }
        table.insert(group_of(mirror).takers, taker)
    end
    for _, mirror in ipairs(plan.unlisted) do
        table.insert(group_of(mirror).takers, { topicsRegex = mirror.topicsRegex })
    end
    for _, mirror in ipairs(matched) do
        for _, topic in ipairs(mirror.details and health.topics(mirror.details) or {}) do
            table.insert(group_of(mirror).topics, topic.name)
        end
    end
    return groups
end

-- By new mirror: what it overlaps with; the one that was found by a known topic comes first.
local function by_new(found)
    local groups, in_order = {}, {}
    for _, overlap in ipairs(found) do
        local new, other = overlap.second, overlap.first
        if not new.is_new then new, other = other, new end
        if not groups[new] then
            groups[new] = { new = new, other = other, topic = overlap.topic, more = 0 }
            in_order[#in_order + 1] = groups[new]
        else
            groups[new].more = groups[new].more + 1
        end
    end
    return in_order
end

local function of_overlaps(list, groups)
    for _, group in pairs(groups) do
        local found, whole = overlaps.of(group.takers, group.topics)
        if not whole then
            warn(list, nil, "not all pairs of regexes were tried out, as they are too many, or some take too long: "
                .. "some that match the same topics may not be named here")
        end
        for _, overlap in ipairs(by_new(found)) do
            local other, more = overlap.other, overlap.more
            warn(list, overlap.new.line,
                "'%s' matches the same topics as '%s' (%s)%s, such as %s: they would be copied "
                .. "twice", text.short(overlap.new.topicsRegex), text.short(other.topicsRegex),
                other.line and "line " .. other.line or "not in the file",
                more > 0 and (" and %d more mirror%s"):format(more, more == 1 and "" or "s") or "", overlap.topic)
        end
    end
end

-- A password in a file that others read is no secret.
local function of_secrets(list, wanted)
    local seen = {}
    for _, mirror in ipairs(wanted) do
        local secret = mirror.secret
        if secret and secret.from == "text" and not seen[secret.value] and
            secret.value:lower():find("password", 1, true) then
            seen[secret.value] = true
            warn(list, secret.line, "a password stands in the fleet file; sourceConnectionPropertiesFile, "
                .. "sourceConnectionPropertiesEnv or sourceConnectionPropertiesCommand keep it out")
        end
    end
end

-- Connection properties that cannot work, of mirrors that are to be created.
local function of_properties(list, plan)
    local seen = {}
    for _, create in ipairs(plan.create) do
        local properties = create.spec.sourceConnectionProperties
        local problem = properties and not seen[properties] and mirrors.properties.problem(properties)
        if problem then
            warn(list, create.wanted.line, "the connection properties of '%s' cannot work: %s",
                create.wanted.sourceAlias, problem)
        end
        seen[properties or ""] = true
    end
end

--- What may not be meant by a plan, by line.
---@param plan kmirror.fleet.plan
---@param wanted kmirror.fleet.wanted[]
---@param matched kmirror.fleet.found[] those of them that are there
---@param is_new table<kmirror.fleet.wanted, boolean>
---@return kmirror.fleet.warning[]
function M.of(plan, wanted, matched, is_new)
    local list = plan.warnings
    of_states(list, matched)
    of_secrets(list, wanted)
    of_properties(list, plan)
    local could, problem = pcall(function()
        of_regexes(list, plan)
        of_overlaps(list, by_source(plan, wanted, matched, is_new))
    end)
    if not could and type(problem) ~= "table" then
        error(problem, 0)
    elseif not could then
        warn(list, nil, "%s", problem.message)
    end
    table.sort(list, order.by("line", "message"))
    return list
end

return M
