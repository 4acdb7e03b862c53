--- What must not be taken apart: a mirror that is reversed while another one that matches the same topics still runs
--- the old way. With names kept, records of these topics go round between the regions.

local health = require("kmirror.health")
local order = require("kmirror.order")
local regex = require("kmirror.regex")
local reversal = require("kmirror.failover.reversal")
local text = require("kmirror.text")

local M = {}

---@class kmirror.failover.other a mirror that runs while others are reversed
---@field mirror table as listed, or in full
---@field what string "stays", "is of batch 2"
---@field twice? boolean it runs the way that the new mirrors will: records would be there twice, and not go round

local function usable(mirror)
    return mirror.topicsRegex ~= "" and not regex.problem(mirror.topicsRegex)
end

local function topics_of(mirror)
    local names = {}
    for i, topic in ipairs(health.topics(mirror)) do names[i] = topic.name end
    return names
end

-- A topic that both match: one that is there, or else one made up from the regexes.
local function shared(mirror, other, made_up)
    for _, pair in ipairs({ { mirror, other }, { other, mirror } }) do
        local could, taken = pcall(regex.select, pair[2].topicsRegex, topics_of(pair[1]))
        if could and #taken > 0 then return taken[1], true end
    end
    return made_up, false
end

local function consequence(other, goes_round)
    if other.twice then return "its records may be there twice" end
    return goes_round and "its records would go round between the regions in a loop; take both at once, or none"
        or "if there is such a topic, its records may go round in a loop; take both at once, or none"
end

local function problem_of(run, mirror, other, made_up)
    local topic, is_there = shared(mirror, other.mirror, made_up)
    local goes_round = is_there and not other.twice and not reversal.renames(run, mirror)
    return {
        mirror, ("%s '%s', and so %s mirror %s of '%s', which %s: %s"):format(
            is_there and "copies" or "would copy a topic such as", topic, is_there and "does" or "would",
            other.mirror.id, text.short(other.mirror.topicsRegex), other.what, consequence(other, goes_round)),
        kind = not goes_round and "overlap" or nil,
    }
end

-- Without PCRE2 only what is written alike can be told, each beside the one before.
local function overlaps_of(all, involves)
    local regexes = {}
    for i, each in ipairs(all) do regexes[i] = each.topicsRegex end
    if pcall(require, "rex_pcre2") then return (regex.overlaps(regexes, nil, involves)) end
    local found, before = {}, {}
    for i, each in ipairs(regexes) do
        found[#found + 1] = before[each] and { first = before[each], second = i, topics = { each } } or nil
        before[each] = i
    end
    return found
end

--- What of some mirrors, that are reversed at once, matches topics that others match, too.
---@param run kmirror.failover.run
---@param together table[] mirrors in full
---@param others kmirror.failover.other[]
---@return kmirror.failover.problem[]
function M.problems(run, together, others)
    local all, who, found = {}, {}, {}
    for _, mirror in ipairs(together) do all[#all + 1] = usable(mirror) and mirror or nil end
    local first_other = #all + 1
    for _, other in ipairs(others) do
        if usable(other.mirror) then
            all[#all + 1] = other.mirror
            who[#all] = other
        end
    end
    local function is_together(i) return i < first_other end
    for _, overlap in ipairs(#all >= first_other and overlaps_of(all, is_together) or {}) do
        local a, b = overlap.first, overlap.second
        if is_together(a) and not is_together(b) then
            found[#found + 1] = problem_of(run, all[a], who[b], overlap.topics[1])
        end
    end
    return found
end

-- What mirrors of different batches match.
local function between_batches(run, mirrors)
    local all, found = {}, {}
    for _, mirror in ipairs(order.sorted(mirrors, "batch", "topicsRegex", "id")) do
        all[#all + 1] = usable(mirror) and mirror or nil
    end
    for _, overlap in ipairs(overlaps_of(all)) do
        local first, second = all[overlap.first], all[overlap.second]
        if first.batch ~= second.batch then
            local other = { mirror = second, what = "is of batch " .. second.batch }
            found[#found + 1] = problem_of(run, first, other, overlap.topics[1])
        end
    end
    return found
end

--- The same for the batches of a run: each against those that come later, and all against the mirrors that stay.
---@param run kmirror.failover.run
---@param mirrors table[] those that are reversed, in full, with their batch, if there are batches
---@return kmirror.failover.problem[]
function M.of_run(run, mirrors)
    local staying = {}
    for i, mirror in ipairs(run.staying) do staying[i] = { mirror = mirror, what = "stays" } end
    local found = M.problems(run, mirrors, staying)
    local more = mirrors[1] and mirrors[1].batch and between_batches(run, mirrors) or {}
    return table.move(more, 1, #more, #found + 1, found)
end

return M
