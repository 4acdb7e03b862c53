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
    if seconds < 3600 then return ("%d:%02d"):format(seconds // 60, seconds % 60) end
    return ("%d:%02d:%02d"):format(seconds // 3600, seconds // 60 % 60, seconds % 60)
end

--- Seconds until it is done, by how fast it went so far; nil when that cannot be told.
---@param work kmirror.progress
---@param now number
---@return number|nil
function M.left(work, now)
    if not work.total or work.count == 0 or work.count >= work.total then return nil end
    return (now - work.since) / work.count * (work.total - work.count)
end

--- What its time can be measured by, in words: for how long of what it takes or may take, or how long it will take yet;
--- nil when there is nothing to measure it by.
---@param work kmirror.progress
---@param now number
---@return string|nil
function M.time(work, now)
    local gone = now - work.since
    if work.seconds then
        return ("%s of %s"):format(M.clock(math.min(gone, work.seconds)), M.clock(work.seconds))
    elseif work.limit then
        return ("%s of %s"):format(M.clock(gone), M.clock(work.limit))
    end
    local left = M.left(work, now)
    return left and M.clock(left) .. " left"
end

local function bar(part, width)
    local inner = width - 2
    local full = math.floor(math.min(1, part) * inner)
    local head = full < inner and full > 0 and ">" or full > 0 and "=" or ""
    local body = ("="):rep(full - #head) .. head
    return "[" .. body .. (" "):rep(inner - #body) .. "]"
end

local function share_of(work, now)
    if work.total then return work.total > 0 and work.count / work.total or nil end
    return work.seconds and work.seconds > 0 and (now - work.since) / work.seconds or nil
end

-- What is said behind the bar, the most telling first: as much of it as there is room for. Of two forms the second is
-- the shorter one.
local function facts_of(work, now)
    local facts, clock = {}, M.clock(now - work.started)
    if work.total then
        facts[1] = { ("%d/%d"):format(work.count, work.total) }
    elseif work.count > 0 then
        facts[1] = { ("%d"):format(work.count) }
    end
    facts[#facts + 1] = { M.time(work, now) or clock, clock }
    if work.failed > 0 then facts[#facts + 1] = { ("%d failed"):format(work.failed) } end
    if work.text then facts[#facts + 1] = { text.clean(work.text) } end
    if (work.calls or 0) > 0 then facts[#facts + 1] = { text.count(work.calls, "call") } end
    if not work.limit and work.total and work.total > 0 then
        facts[#facts + 1] = { ("%d %%"):format(100 * work.count // work.total) }
    end
    return facts
end

-- The facts that fit. The bar has its room after the first of them and the time.
local function choose(facts, room, for_bar)
    local chosen = {}
    for i, forms in ipairs(facts) do
        for _, fact in ipairs(forms) do
            local left = room - text.width(fact) - #gap
            if left >= (i > 2 and for_bar or 0) or i == 1 then
                chosen[#chosen + 1], room = fact, left
                break
            end
        end
    end
    return chosen, room
end

--- The line, at most `width` columns.
---@param work kmirror.progress
---@param width integer
---@param now number
---@return string
function M.of(work, width, now)
    local title = text.cut(text.clean(work.title), math.max(8, math.min(40, width // 2)))
    local share = share_of(work, now)
    local tail, room = choose(facts_of(work, now), width - text.width(title), share and narrowest_bar + #gap or 0)
    if share and room - #gap >= narrowest_bar then
        table.insert(tail, 1, bar(share, math.min(widest_bar, room - #gap)))
    end
    return text.cut(title .. gap .. table.concat(tail, gap), width)
end

return M
