-- properties: Kafka client properties, as far as it can be told that they will not work. Their values are never shown.

local properties = {}

local controls = { n = "\n", r = "\r", t = "\t", f = "\f" }

-- What java.util.Properties reads where it stands; what it writes itself has a backslash before each colon.
local function unescaped(text)
    return (text:gsub("\\(.)", function(letter) return controls[letter] or letter end))
end

-- Lines as java.util.Properties reads them: a backslash at its end continues one, and comments are none.
local function lines_of(text)
    local lines, open = {}, nil
    for line in (text:gsub("\r\n?", "\n") .. "\n"):gmatch("([^\n]*)\n") do
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

-- The values by their names, the names in their order, and the first one that stands there again with another value.
local function values_of(text)
    local values, names, again = {}, {}, nil
    for _, line in ipairs(lines_of(text)) do
        local name, value = line:match("^([^=: \t]+)[ \t]*[=:]?[ \t]*(.-)[ \t]*$")
        if name then
            name, value = unescaped(name), unescaped(value)
            again = again or values[name] and values[name] ~= value and name or nil
            names[#names + 1] = name
            values[name] = value
        end
    end
    return values, names, again
end

---The properties in a text, by name, as java.util.Properties reads them.
---@param text string
---@return table<string, string>
function properties.read(text)
    return (values_of(text))
end

local words_of_secrets <const> = { "password", "secret", "jaas", "token", "keystore%.key" }

---Whether the property of that name may hold a secret.
---@param name string
---@return boolean
function properties.is_secret(name)
    for _, word in ipairs(words_of_secrets) do
        if name:find(word) then return true end
    end
    return false
end

-- ---- variables and placeholders ----

local whole_placeholders = {
    "^<[%w _.-]+>$", "^<%%.*%%>$", "^%%[%u_][%u%d_]*%%$", "^@[%a_][%w_.-]*@$", "^#{.*}$",
}

local function is_placeholder(text)
    for _, pattern in ipairs(whole_placeholders) do
        if text:find(pattern) then return true end
    end
    return false
end

-- "${NAME}" and "${NAME:-default}" of a shell, "{{ name }}" of a template; or a text, one in quotes or one server that
-- is a placeholder as a whole, as a password may hold nearly anything.
local function is_unexpanded(name, value)
    if value:find("%${[^:}]*}") or value:find("%${[^:}]*:[-+?=]") or value:find("{{.-}}") or is_placeholder(value) then
        return true
    end
    for quoted in value:gmatch('"([^"]*)"') do
        if is_placeholder(quoted) then return true end
    end
    for server in value:gmatch("[^,%s]+") do
        if name == "bootstrap.servers" and is_placeholder((server:gsub(":%d*$", ""))) then
            return true
        end
    end
    return false
end

-- "${provider:path:key}" is expanded by Kafka Connect.
local function is_provided(value) return value:find("%${[^}]+:[^}]*}") ~= nil end

-- ---- one property ----

-- As the Kafka client takes them: listener://host:port
local function server_problem(server)
    local host, port = server:gsub("^[%w_]+://", ""):match("^(.*):(%d+)$")
    if server:lower():find("^https?://") then
        return "names a web address"
    elseif server:find(":%d+[; ]") then
        return "does not have commas between its servers"
    elseif not port then
        return "names a server without a port"
    elseif not (host:find("^[%w._%%:-]+$") or host:find("^%[[%x:.%%]+%]$")) then
        return "names a server whose host is not valid"
    elseif #port > 5 or tonumber(port) < 1 or tonumber(port) > 65535 then
        return "names a server whose port is not valid"
    end
end

local checks = {}

checks["bootstrap.servers"] = function(servers)
    if not servers:find("[^, ]") then return "is empty; expected servers such as 10.0.0.1:9092" end
    for server in servers:gmatch("[^,]+") do
        local bare = server:match("^%s*(.-)%s*$")
        local problem = bare ~= "" and server_problem(bare)
        if problem then
            return problem .. "; expected servers such as 10.0.0.1:9092, with commas between"
        end
    end
end

local protocols = { PLAINTEXT = true, SSL = true, SASL_PLAINTEXT = true, SASL_SSL = true }

checks["security.protocol"] = function(protocol)
    if not protocols[protocol:upper()] then
        return "is none of PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL"
    end
end

local mechanisms = { "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", "OAUTHBEARER", "AWS_MSK_IAM" }

local function bare(mechanism) return (mechanism:upper():gsub("%W", ""):gsub("_", "")) end

-- There are others, of plug-ins: only what is one of these written in another way is surely wrong.
checks["sasl.mechanism"] = function(mechanism)
    for _, known in ipairs(mechanisms) do
        if mechanism ~= known and bare(mechanism) == bare(known) then
            return "is not written as " .. known
        end
    end
end

checks["sasl.jaas.config"] = function(jaas)
    if jaas ~= "" and not jaas:find(";$") then return "does not end with ';'" end
end

-- ---- all of them ----

local EXPECTED <const> = "; expected Kafka client properties, a line each, such as bootstrap.servers=10.0.0.1:9092"

local looks = {
    { "^%s*%${[^\n]*}%s*$", "they are a variable that was not filled in" },
    { "^%s*{{", "they are a variable that was not filled in" },
    { "^%s*%[[%w _.-]+%]%s*\n", "they look like an INI file" },
    { "^%s*[{%[]", "they look like JSON" },
    { "^%s*<", "they look like XML" },
    { "^%s*%-%-%-%s*\n", "they look like YAML" },
}

-- What is wrong with the text as a whole.
local function form_problem(text)
    for _, look in ipairs(looks) do
        if text:find(look[1]) then return look[2] .. EXPECTED end
    end
    if not text:find("[\r\n]") and text:find("\\n%l") then
        return "they are one line with \\n in it, as two characters" .. EXPECTED
    end
end

-- A line that is no property may be a secret.
local function shown(name) return name:find("^%l[%l%d]*%.[%l%d._-]+$") and name or "one of them" end

local function sasl_problem(values)
    local protocol, jaas = values["security.protocol"], values["sasl.jaas.config"]
    if protocol and protocol:upper():find("^SASL_") and (jaas == nil or jaas == "") then
        return "security.protocol asks for SASL, but there is no sasl.jaas.config"
    end
end

---Why properties cannot work; nil when nothing speaks against them.
---@param text string
---@return string?
function properties.problem(text)
    local problem = form_problem(text)
    if problem then return problem end
    local values, names, again = values_of(text)
    if #names == 0 then return "there are only comments or blanks in them" .. EXPECTED end
    if not values["bootstrap.servers"] then return "they have no bootstrap.servers" .. EXPECTED end
    for _, name in ipairs(names) do
        local value, check = values[name], checks[name]
        if is_unexpanded(name, value) then
            return ("the value of %s holds a variable that was not filled in"):format(shown(name))
        end
        problem = check and not is_provided(value) and check(value)
        if problem then return name .. " " .. problem end
    end
    return again and shown(again) .. " stands there twice, with different values" or sasl_problem(values)
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
