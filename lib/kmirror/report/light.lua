--- report.light: what of a document a page holds, so that it opens at once however long the run was: of reads that
--- succeeded at once the slowest, and of lags over time what is drawn. All of it is in --report FILE.json.

local json = require("kmirror.json")

local M = {}

local most_reads = 1000 -- that succeeded at once, of all runs together
local most_points = 6000 -- of mirrors' lags; where there are more, few mirrors have all of theirs
local whole_mirrors = 60 -- these: the page draws as many
local points_of_these = 100

local function is_plain(call, changing)
    return call.outcome == "done" and #call.attempts == 1 and not changing[call.number]
end

-- Which calls have changed something.
local function changing_of(run)
    local changing = {}
    for _, change in ipairs(run.changes) do changing[change.call] = true end
    return changing
end

local function took(call) return (call.ended or call.asked) - call.asked end

-- Leaves out the quickest of the plain reads.
local function lighten_calls(run, most)
    local changing, plain, is_kept, kept = changing_of(run), {}, {}, json.array({})
    for _, call in ipairs(run.calls) do
        if is_plain(call, changing) then plain[#plain + 1] = call end
    end
    if #plain <= most then return end
    table.sort(plain, function(a, b)
        if took(a) ~= took(b) then return took(a) > took(b) end
        return a.number < b.number
    end)
    for i = 1, most do is_kept[plain[i]] = true end
    for _, call in ipairs(run.calls) do
        if is_kept[call] or not is_plain(call, changing) then kept[#kept + 1] = call end
    end
    run.calls_left_out = run.calls_left_out + #plain - most
    run.calls = kept
end

local function highest_of(mirror)
    local highest
    for _, point in ipairs(mirror.points) do
        if point[2] and (not highest or point[2] > highest[2]) then highest = point end
    end
    return highest
end

-- The first, the highest and the last, and some in between.
local function thinned(points, highest, most)
    local found, step = json.array({}), math.max(1, (#points - 1) / math.max(1, most - 1))
    local next_at = 1
    for i, point in ipairs(points) do
        if i >= next_at or point == highest or i == #points then
            found[#found + 1] = point
            next_at = next_at + (i >= next_at and step or 0)
        end
    end
    return found
end

local function lighten_mirrors(run)
    local points, order, highest = 0, {}, {}
    for i, mirror in ipairs(run.mirrors) do
        points, order[i], highest[mirror] = points + #mirror.points, mirror, highest_of(mirror) or false
    end
    if points <= most_points then return end
    local function lag(mirror) return highest[mirror] and highest[mirror][2] or -1 end
    table.sort(order, function(a, b)
        if lag(a) ~= lag(b) then return lag(a) > lag(b) end
        return a.id < b.id
    end)
    for place, mirror in ipairs(order) do
        mirror.points = thinned(mirror.points, highest[mirror], place <= whole_mirrors and points_of_these or 2)
    end
end

local function copy(of)
    local made = {}
    for name, value in pairs(of) do made[name] = value end
    return made
end

--- What a page holds of a document.
---@param shape table the document as its JSON has it
---@return table
function M.of(shape)
    local light = copy(shape)
    light.runs = json.array({})
    for i, run in ipairs(shape.runs) do
        local own = copy(run)
        own.mirrors = json.array({})
        for j, mirror in ipairs(run.mirrors) do own.mirrors[j] = copy(mirror) end
        lighten_calls(own, most_reads // #shape.runs)
        lighten_mirrors(own)
        light.runs[i] = own
    end
    return light
end

return M
