--- fleet.overlaps: mirrors of one source that match the same topics.

local regex = require("kmirror.regex")

local M = {}

---@class kmirror.fleet.taker a mirror that is wanted, or that is there and stays
---@field topicsRegex string
---@field line? integer where the file has it
---@field is_new? boolean

---@class kmirror.fleet.overlap
---@field first kmirror.fleet.taker
---@field second kmirror.fleet.taker one of them is new
---@field topic string that both take; when none is known, one that is made up

local function overlaps_of(takers, topics)
    local regexes = {}
    for i, taker in ipairs(takers) do regexes[i] = taker.topicsRegex end
    return regex.overlaps(regexes, topics, function(i)
        return takers[i].is_new or false
    end)
end

-- Only what can be tried out.
local function usable(takers)
    local list = {}
    for _, taker in ipairs(takers) do
        list[#list + 1] = not regex.problem(taker.topicsRegex) and taker or nil
    end
    return list
end

--- Which mirrors of one source take the same topics, if one of them is new: by the topics that are known, else by the
--- text of the regexes.
---@param takers kmirror.fleet.taker[]
---@param topics string[] those that are known
---@return kmirror.fleet.overlap[]
---@return boolean whole false when there was so much to try that some was not
---Raises `invalid` when PCRE2 is not installed.
function M.of(takers, topics)
    local list, found, seen, whole = usable(takers), {}, {}, true
    for _, known in ipairs({ topics, false }) do
        local some, all_tried = overlaps_of(list, known or nil)
        whole = whole and all_tried
        for _, pair in ipairs(some) do
            local key = pair.first .. " " .. pair.second
            if not seen[key] then
                seen[key] = true
                local first, second = list[pair.first], list[pair.second]
                found[#found + 1] = { first = first, second = second, topic = pair.topics[1] }
            end
        end
    end
    return found, whole
end

return M
