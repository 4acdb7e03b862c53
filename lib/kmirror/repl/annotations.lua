--- repl.annotations: what the annotations above a function say, in parts.

local M = {}

---@class kmirror.repl.annotated
---@field text string[] the lines of the description
---@field more string[] those that stand below the parameters
---@field parameters { [1]: string, [2]: string }[] name, and type with what it is
---@field returns string[]
---@field types string[] of parameters

-- A type may have spaces in brackets.
local patterns = { "^fun%b():%s*%S+", "^fun%b()%S*", "^%b()%S*", "^[%w_.]+%b<>%S*", "^%S+" }

local function split_type(words)
    for _, pattern in ipairs(patterns) do
        local type_name = words:match(pattern)
        if type_name then
            local another = type_name:sub(-1) == "," and words:sub(#type_name + 1):match("^%s+%S+") or ""
            type_name = type_name .. another
            return type_name, words:sub(#type_name + 1):match("^[%s#]*(.-)%s*$")
        end
    end
    return words, ""
end

local function meaning_of(words)
    local type_name, note = split_type(words)
    return (note ~= "" and type_name .. " — " .. note or type_name), type_name
end

local function add_parameter(found, name, words)
    local meaning, type_name = meaning_of(words)
    table.insert(found.parameters, { name, meaning })
    table.insert(found.types, type_name)
end

local by_tag = {
    param = function(found, words) add_parameter(found, words:match("^(%S+)%s*(.*)$")) end,
    ["return"] = function(found, words) table.insert(found.returns, (meaning_of(words))) end,
    -- fun(seconds: number): boolean
    type = function(found, words)
        local inside, returned = words:match("^fun(%b())(.*)$")
        for name, kind in (inside or ""):sub(2, -2):gmatch("([%w_.?]+):%s*([^,]+)") do
            add_parameter(found, name, kind)
        end
        returned = (returned or ""):match("^:%s*(.+)$")
        if returned then table.insert(found.returns, (meaning_of(returned))) end
    end,
}

--- Takes a comment apart.
---@param lines string[] without dashes
---@return kmirror.repl.annotated
function M.parse(lines)
    local found, tagged = { text = {}, more = {}, parameters = {}, returns = {}, types = {} }, false
    for _, line in ipairs(lines) do
        local tag, words = line:match("^@(%a+)%s*(.*)$")
        if not tag then
            table.insert(tagged and found.more or found.text, line)
        elseif by_tag[tag] then
            by_tag[tag](found, words)
            tagged = true
        end
    end
    return found
end

--- The fields of a class that a source describes; nil when it does not.
---@param lines string[] of the source
---@param class string
---@return { [1]: string, [2]: string }[]|nil
function M.fields(lines, class)
    local fields
    for _, line in ipairs(lines) do
        local name, words = line:match("^%-%-%-@field%s+(%S+)%s*(.*)$")
        local more = line:match("^%-%-%-%s+(.*)$")
        if line:match("^%-%-%-@class%s+([%w_.]+)") == class then
            fields = {}
        elseif fields and name then
            fields[#fields + 1] = { name, words }
        elseif fields and more and #fields > 0 then
            fields[#fields][2] = fields[#fields][2] .. " " .. more
        elseif fields then
            break
        end
    end
    for _, field in ipairs(fields or {}) do field[2] = meaning_of(field[2]) end
    return fields
end

return M
