-- connect_regex: the lists of regexes in MirrorMaker's configurations: with commas between, each in Java's syntax, and
-- to fit a whole name. What is of literal characters, dots, .* and .+ alone is matched here, the rest by PCRE2.

local regexes = {}

-- A regex of Java's as a pattern of Lua's; nil where that cannot be.
local function as_pattern(regex)
    local plain = regex:gsub("\\[.-]", ""):gsub("%.[*+]", "")
    if plain:find("[^%w_.-]") then return nil end
    return "^" .. regex:gsub("\\?[.-]", { ["\\."] = "%.", ["\\-"] = "%-", ["-"] = "%-" }) .. "$"
end

---Whether topics' regexes take a topic; false, too, where that cannot be told here.
---@param topics string  a list of regexes
---@param topic string
---@return boolean
function regexes.surely_take(topics, topic)
    for regex in topics:gmatch("[^,|]+") do
        local pattern = as_pattern(regex:match("^%s*(.-)%s*$"))
        if pattern and topic:find(pattern) then return true end
    end
    return false
end

local function by_pcre(regex)
    local found, rex = pcall(require, "rex_pcre2")
    if not found then
        return nil, "that takes PCRE2, which is not there: install Debian's lua-rex-pcre2"
    end
    local ok, compiled = pcall(rex.new, "^(?:" .. regex .. ")\\z")
    if not ok then return nil, "PCRE2 does not take it" end
    return function(name) return compiled:exec(name) ~= nil end
end

---What tells whether one of a list of regexes fits a name. An empty list fits none, as to MirrorMaker.
---@param list string
---@return (fun(name: string): boolean)? fits
---@return string? problem
function regexes.any_of(list)
    local all = {}
    for regex in list:gmatch("%s*([^,]*[^,%s])%s*") do
        local pattern = as_pattern(regex)
        local fits, problem = pattern and function(name) return name:find(pattern) ~= nil end, nil
        if not fits then fits, problem = by_pcre(regex) end
        if not fits then
            return nil, ("its regex %s cannot be tried out here: %s"):format(regex, problem)
        end
        all[#all + 1] = fits
    end
    return function(name)
        for _, fits in ipairs(all) do
            if fits(name) then return true end
        end
        return false
    end
end

return regexes
