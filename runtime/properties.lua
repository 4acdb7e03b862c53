-- properties: Kafka client properties, as far as it can be told that they will not work. Their values are never shown.

local properties = {}

-- Lines as java.util.Properties reads them: a backslash at its end continues one, and comments are none.
local function lines_of(text)
    local lines, open = {}, nil
    for line in (text .. "\n"):gmatch("([^\r\n]*)\r?\n") do
        line = line:match("^[ \t\f]*(.*)$")
        if open then
            line, open = open .. line, nil
        elseif line:find("^[#!]") then
            line = ""
        end
        local slashes = #line:match("\\*$")
        if slashes % 2 == 1 then
            open = line:sub(1, -2)
        elseif line ~= "" then
            lines[#lines + 1] = line
        end
    end
    lines[#lines + 1] = open
    return lines
end

local function values_of(text)
    local values = {}
    for _, line in ipairs(lines_of(text)) do
        local name, value = line:match("^([^=: \t]+)[ \t]*[=:]?[ \t]*(.-)[ \t]*$")
        if name then values[name] = value end
    end
    return values
end

-- "${NAME}" of a shell, "{{ name }}" of a template. Kafka's own "${provider:path:key}" is expanded by Kafka Connect.
local function is_unexpanded(value)
    return value:find("%${[^:}]*}") or value:find("{{.-}}")
end

local function servers_problem(servers)
    if servers == "" then return "bootstrap.servers is empty" end
    for server in servers:gmatch("[^,]+") do
        if not server:find(":%d+%s*$") then return "bootstrap.servers names a server without a port" end
    end
end

local EXPECTED <const> = "; expected Kafka client properties, a line each, such as bootstrap.servers=10.0.0.1:9092"

---Why properties cannot work; nil when nothing speaks against them.
---@param text string
---@return string?
function properties.problem(text)
    if text:find("^%s*[{%[]") then return "they look like JSON" .. EXPECTED end
    if text:find("^%s*<") then return "they look like XML" .. EXPECTED end
    if not text:find("\n", 1, true) and text:find("\\n%l") then
        return "they are one line with \\n in it, as two characters" .. EXPECTED
    end
    local values = values_of(text)
    if next(values) == nil then return "there are only comments or blanks in them" .. EXPECTED end
    local servers = values["bootstrap.servers"]
    if not servers then return "they have no bootstrap.servers" .. EXPECTED end
    for name, value in pairs(values) do
        if is_unexpanded(value) then return ("the value of %s holds a variable that was not filled in"):format(name) end
    end
    local jaas = values["sasl.jaas.config"]
    if jaas and jaas ~= "" and not jaas:find(";$") then return "sasl.jaas.config does not end with ';'" end
    return servers_problem(servers)
end

---Do they lead to the same source? A server may write them down in another order, or with other blanks; those that
---differ otherwise, but are of the same servers, perhaps do.
---@param one string
---@param other string
---@return "yes"|"perhaps"|"no"
function properties.same(one, other)
    if one == other then return "yes" end
    local left, right = values_of(one), values_of(other)
    local all_same = true
    for name, value in pairs(left) do all_same = all_same and right[name] == value end
    for name in pairs(right) do all_same = all_same and left[name] ~= nil end
    if all_same and next(left) then return "yes" end
    local servers = left["bootstrap.servers"]
    return servers and servers == right["bootstrap.servers"] and "perhaps" or "no"
end

local told, quiet = {}, false

---Warns of properties that cannot work: of each problem once, as hundreds of mirrors may have the same source.
---@param text string
function properties.warn(text)
    local problem = not quiet and properties.problem(text)
    if problem and not told[problem] then
        told[problem] = true
        warn(("create: sourceConnectionProperties cannot work: %s"):format(problem))
    end
end

---Holds warnings back, for creates that are only tried out, or lets them go again.
---@param held boolean
function properties.hold_warnings(held)
    quiet = held
end

return properties
