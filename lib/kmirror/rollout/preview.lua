--- rollout.preview: what a rollout would change about the topics that are mirrored.

local health = require("kmirror.health")
local regex = require("kmirror.regex")
local tables = require("kmirror.table")
local text = require("kmirror.text")
local textfile = require("kmirror.textfile")

local M = {}

---@class kmirror.rollout.preview
---@field rows table[] by change: old, new, taken, gained, lost
---@field warnings { message: string, count: integer }[]
---@field overlaps { first: string, second: string, topics: string[] }[] pairs of regexes that take the same topics
---@field whole boolean all such pairs are there, and not just as many as could be tried out
---@field known integer how many topics are known

--- The topics in a file, one a line, or else those of the mirrors that are there.
---@param live table[] in full
---@param path? string
---@return string[] sorted
function M.topics(live, path)
    local seen, names = {}, {}
    local function add(name)
        if name ~= "" and not seen[name] then
            seen[name] = true
            names[#names + 1] = name
        end
    end
    for _, mirror in ipairs(path and {} or live) do
        for _, topic in ipairs(health.topics(mirror)) do add(topic.name) end
    end
    if path then
        for line in textfile.read(path, "a file with a topic's name in each line (--topics)"):gmatch("[^\r\n]+") do
            add(line:match("^%s*(.-)%s*$"))
        end
    end
    table.sort(names)
    return names
end

local function compare(change, topics, adds)
    local could, comparison = pcall(regex.compare, change.old.topicsRegex, change.regex, topics)
    comparison = could and comparison or { taken = {}, gained = {}, lost = {} }
    return {
        old = change.old.topicsRegex,
        new = change.regex,
        tried = could,
        taken = comparison.taken,
        gained = comparison.gained,
        lost = adds and {} or comparison.lost,
    }
end

-- What is warned of in the new regexes and not in the old ones, each once.
local function warnings_of(plan, topics)
    local found, by_message = {}, {}
    local function note(message)
        if not by_message[message] then
            by_message[message] = { message = message, count = 0 }
            found[#found + 1] = by_message[message]
        end
        by_message[message].count = by_message[message].count + 1
    end
    for _, change in ipairs(plan.changes) do
        local before = {}
        local could, old = pcall(regex.warnings, change.old.topicsRegex, topics)
        for _, each in ipairs(could and old or {}) do before[each.code .. each.message] = true end
        local can, new = pcall(regex.warnings, change.regex, topics)
        for _, each in ipairs(can and new or {}) do
            if not before[each.code .. each.message] then note(each.message) end
        end
        if not can then note("cannot be tried out here: " .. tostring(new)) end
    end
    return found
end

local function regexes_of(list)
    local regexes = {}
    for i, mirror in ipairs(list) do regexes[i] = mirror.topicsRegex end
    return regexes
end

-- Pairs of regexes with topics in common, one of them new; false when not all could be tried.
local function overlaps_of(plan, topics, adds)
    local new, old, usable, is_new = {}, {}, {}, {}
    for i, change in ipairs(plan.changes) do
        new[i], old[i] = change.regex, change.old.topicsRegex
    end
    for _, list in ipairs({ new, regexes_of(plan.done), regexes_of(plan.others), adds and old or {} }) do
        for _, each in ipairs(list) do
            if not regex.problem(each) then
                usable[#usable + 1], is_new[#usable + 1] = each, list == new
            end
        end
    end
    local found, whole = regex.overlaps(usable, topics, function(i) return is_new[i] end)
    for i, each in ipairs(found) do
        found[i] = { first = usable[each.first], second = usable[each.second], topics = each.topics }
    end
    return found, whole
end

--- What would change, over the topics that are known.
---@param plan kmirror.rollout.plan
---@param topics string[]
---@param adds boolean the old mirrors stay
---@return kmirror.rollout.preview
function M.make(plan, topics, adds)
    local preview, known = { rows = {}, known = #topics }, regex.known(topics)
    for i, change in ipairs(plan.changes) do preview.rows[i] = compare(change, known, adds) end
    preview.warnings = warnings_of(plan, known)
    preview.overlaps, preview.whole = overlaps_of(plan, known, adds)
    return preview
end

local shown = 5

local function some(names)
    local more = #names > shown and (" and %d more"):format(#names - shown) or ""
    return table.concat(names, ", ", 1, math.min(shown, #names)) .. more
end

local function count(field)
    return function(row)
        return row.tried and #row[field] or "?"
    end
end

local columns = {
    { "OLD", "old", key = true },
    { "NEW", "new", key = true },
    { "MATCHES", count("taken"), align = "right" },
    { "ADDED", count("gained"), align = "right" },
    { "LOST", count("lost"), align = "right" },
}

--- Writes the preview for people.
---@param file file*
---@param preview kmirror.rollout.preview
function M.show(file, preview)
    tables.write(file, columns, preview.rows)
    local function line(format, ...)
        file:write(text.clean(format:format(...)), "\n")
    end
    for _, row in ipairs(preview.rows) do
        if #row.gained > 0 then line("%s also matches %s", row.new, some(row.gained)) end
        if #row.lost > 0 then line("%s no longer matches %s", row.new, some(row.lost)) end
    end
    for _, each in ipairs(preview.warnings) do
        line("warning: %s (%d of %s)", each.message, each.count,
            text.count(#preview.rows, "new regex", "new regexes"))
    end
    for i = 1, math.min(shown, #preview.overlaps) do
        local each = preview.overlaps[i]
        line("overlap: '%s' and '%s' both match %s", each.first, each.second, some(each.topics))
    end
    if #preview.overlaps > shown then
        line("overlap: %s", text.count(#preview.overlaps - shown, "more pair"))
    end
    if not preview.whole then
        line("warning: not all pairs of regexes were tried out, as they are too many, or some take too long: some that "
            .. "match the same topics may not be named")
    end
    line("Known topics: %d. Topics that no mirror matches yet are not included, unless --topics names them.",
        preview.known)
end

return M
