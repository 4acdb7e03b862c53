--- progress.line: one piece of work as a line of so many columns.

local text = require("kmirror.text")

local M = {}

local narrowest_bar, widest_bar = 8, 40
local gap = "  "

--- Seconds as a clock shows them: 0:07, 12:30, 1:02:00.
---@param seconds number
---@return string
function M.clock(seconds)
    seconds = math.max(0, math.floor(seconds + 0.5))
    if seconds < 3600 then
        return ("%d:%02d"):format(seconds // 60, seconds % 60)
    end
    return ("%d:%02d:%02d"):format(seconds // 3600, seconds // 60 % 60, seconds % 60)
end

--- Seconds until it is done, by how fast it went so far; nil when that cannot be told.
---@param work kmirror.progress
---@param now number
---@return number|nil
function M.left(work, now)
    if not work.total or work.count == 0 or work.count >= work.total then
        return nil
    end
    return (now - work.started) / work.count * (work.total - work.count)
end

local function bar(part, width)
    local inner = width - 2
    local full = math.floor(math.min(1, part) * inner)
    local head = full < inner and full > 0 and ">" or full > 0 and "=" or ""
    local body = ("="):rep(full - #head) .. head
    return "[" .. body .. (" "):rep(inner - #body) .. "]"
end

-- What is said behind the bar, the most telling first: as much of it as there is room for.
local function facts_of(work, now)
    local facts = {}
    if work.total then
        facts[1] = ("%d/%d"):format(work.count, work.total)
    elseif work.count > 0 then
        facts[1] = ("%d"):format(work.count)
    end
    local left = M.left(work, now)
    facts[#facts + 1] = left and M.clock(left) .. " left" or M.clock(now - work.started)
    if (work.calls or 0) > 0 then
        facts[#facts + 1] = work.calls == 1 and "1 call" or ("%d calls"):format(work.calls)
    end
    if (work.failed or 0) > 0 then
        facts[#facts + 1] = ("%d failed"):format(work.failed)
    end
    if work.total and work.total > 0 then
        facts[#facts + 1] = ("%d %%"):format(100 * work.count // work.total)
    end
    facts[#facts + 1] = work.text
    return facts
end

--- The line, at most `width` columns.
---@param work kmirror.progress
---@param width integer
---@param now number
---@return string
function M.of(work, width, now)
    local title = text.cut(text.clean(work.title), math.max(8, math.min(40, width // 2)))
    local line, tail = title, {}
    local room = width - text.width(title)
    for _, fact in ipairs(facts_of(work, now)) do
        local clean = text.clean(fact)
        if #tail == 0 or room - text.width(clean) - #gap >= 0 then
            tail[#tail + 1] = clean
            room = room - text.width(clean) - #gap
        end
    end
    if work.total and work.total > 0 and room - #gap >= narrowest_bar then
        table.insert(tail, 1, bar(work.count / work.total, math.min(widest_bar, room - #gap)))
    end
    return text.cut(line .. gap .. table.concat(tail, gap), width)
end

return M
