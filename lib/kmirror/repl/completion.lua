--- repl.completion: what may be meant by a word that has been begun: from what the session knows already. It never
--- calls anything of the session's, nor the network.

local describe = require("kmirror.repl.describe")
local known = require("kmirror.repl.known")
local profile = require("kmirror.profile")
local session_modules = require("kmirror.repl.session").modules
local text = require("kmirror.text")

local M = {}

---@class kmirror.repl.candidate
---@field word string what is put in
---@field label? string how it is listed; the word when absent
---@field note? string what is said beside it
---@field tail? string what follows when it is the only one

local keywords = { "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
    "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while" }

local function starts_with(word, prefix)
    return word:sub(1, #prefix) == prefix
end

-- ---- names -------------------------------------------------------------------------------------------------

-- The field of a value, without calling anything: modules are loaded, that is all.
local function field(value, name)
    for _ = 1, 10 do
        if type(value) == "string" then value = string end
        if type(value) ~= "table" and type(value) ~= "userdata" then return nil end
        local found = type(value) == "table" and rawget(value, name)
        if found then return found end
        local meta = debug.getmetatable(value)
        value = type(meta) == "table" and rawget(meta, "__index") or nil
    end
end

local function global(env, name)
    return rawget(env, name) or session_modules[name] and env[name] or rawget(_G, name)
end

-- All fields of a value, those that it inherits, too.
local function fields(value)
    local found = {}
    for _ = 1, 10 do
        if type(value) == "string" then value = string end
        if type(value) == "table" then
            for name, each in next, value do
                if type(name) == "string" and found[name] == nil then found[name] = each end
            end
        end
        local meta = debug.getmetatable(value)
        value = type(meta) == "table" and rawget(meta, "__index") or nil
        if type(value) ~= "table" then break end
    end
    return found
end

local function candidate_of(name, value, method)
    if type(value) ~= "function" then return { word = name } end
    local signature = describe.signature(value, method)
    return { word = name, label = name .. signature, tail = signature == "()" and "()" or "(" }
end

local function is_public(name, prefix)
    return name:find("^[%a][%w_]*$") ~= nil or prefix:sub(1, 1) == "_" and name:find("^[%w_]+$") ~= nil
end

local function of_value(value, prefix, method)
    local list = {}
    for name, each in pairs(fields(value)) do
        if starts_with(name, prefix) and is_public(name, prefix) and (not method or type(each) == "function") then
            list[#list + 1] = candidate_of(name, each, method)
        end
    end
    return list
end

local function globals(env, prefix)
    local seen, list = {}, {}
    local function add(name, value)
        if type(name) == "string" and not seen[name] and starts_with(name, prefix) and is_public(name, prefix) then
            seen[name] = true
            list[#list + 1] = candidate_of(name, value, false)
        end
    end
    for name, value in next, env do add(name, value) end
    for name in pairs(session_modules) do add(name) end
    for name, value in next, _G do add(name, value) end
    if prefix ~= "" then
        for _, word in ipairs(keywords) do add(word) end
    end
    return list
end

local function of_chain(env, chain, prefix)
    local path, separator = chain:match("^(.*)([.:])$")
    local value
    for name in path:gmatch("[%a_][%w_]*") do
        if value == nil then value = global(env, name) else value = field(value, name) end
        if value == nil then return {} end
    end
    return of_value(value, prefix, separator == ":")
end

-- ---- what stands in quotes ---------------------------------------------------------------------------------

local function clusters(prefix, as_id)
    local list = {}
    for name, cluster in pairs(profile.current().clusters) do
        local word = as_id and cluster.connect or name
        if starts_with(word, prefix) or starts_with(name, prefix) then
            list[#list + 1] = { word = word, note = as_id and name or cluster.connect }
        end
    end
    return list
end

local widest_regex = 24 -- that the connectors' names are aligned behind

-- By id, and by the beginning of what is mirrored.
local function mirror_ids(prefix)
    local list, widest = {}, 0
    for id, mirror in pairs(known.mirrors) do
        if starts_with(id, prefix) or prefix ~= "" and starts_with(mirror.topicsRegex, prefix) then
            local regex = text.clean(mirror.topicsRegex)
            list[#list + 1] = { word = id, regex = regex, connector = mirror.connectorName }
            widest = math.max(widest, math.min(text.width(regex), widest_regex))
        end
    end
    for _, each in ipairs(list) do
        each.note = each.regex .. (" "):rep(widest - text.width(each.regex)) .. "  " .. each.connector
    end
    return list
end

local function quoted(word)
    return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function files(prefix)
    local list = {}
    local folder, home = prefix:match("^(.*/)") or "", os.getenv("HOME") or ""
    local pipe <close> = io.popen("ls -1pA -- " .. quoted(folder == "" and "." or (folder:gsub("^~/", home .. "/")))
        .. " 2> /dev/null", "r")
    for name in (pipe and pipe:read("a") or ""):gmatch("[^\n]+") do
        local hidden = name:sub(1, 1) == "." and prefix:match("[^/]*$"):sub(1, 1) ~= "."
        if starts_with(folder .. name, prefix) and not hidden then
            list[#list + 1] = { word = folder .. name, label = name }
        end
    end
    return list
end

local function strings(before, prefix)
    if before:find(":on%s*%(?%s*$") or before:find("cluster%s*=%s*$") then
        return clusters(prefix, true)
    end
    if prefix:find("^[~.]?/") then return files(prefix) end
    return mirror_ids(prefix)
end

-- The quote, and the bracket of a call that has no other argument.
local function of_string(before, prefix, quote)
    local list = strings(before, prefix)
    local tail = quote .. (before:find("%(%s*$") and ")" or "")
    for _, candidate in ipairs(list) do
        candidate.tail = candidate.word:sub(-1) ~= "/" and tail or ""
    end
    return list
end

-- What is in the string that the cursor is in, and what stands before it; nil when it is in none.
local function open_string(before)
    local quote, start
    for at, c in before:gmatch("()(.)") do
        if quote and c == quote and before:sub(at - 1, at - 1) ~= "\\" then
            quote = nil
        elseif not quote and (c == '"' or c == "'") then
            quote, start = c, at
        end
    end
    if quote then return before:sub(1, start - 1), before:sub(start + 1), quote end
end

-- ---- commands ----------------------------------------------------------------------------------------------

local function words(list, prefix)
    local found = {}
    for _, each in ipairs(list) do
        if starts_with(each.word, prefix) then found[#found + 1] = each end
    end
    return found
end

local of_argument = {
    cluster = function(_, prefix) return clusters(prefix, false) end,
    file = function(_, prefix) return files(prefix) end,
    switch = function(_, prefix) return words({ { word = "on" }, { word = "off" } }, prefix) end,
}

local expression

local function of_command(session, before)
    local commands = require("kmirror.repl.commands")
    local name = before:match("^%s*:(%a*)$")
    if name then
        local list = {}
        for _, command in ipairs(commands.list) do
            list[#list + 1] = { word = command.name, label = ":" .. command.name .. " " .. command.arguments,
                note = command.summary, tail = command.arguments ~= "" and " " or "" }
        end
        return words(list, name), name
    end
    local command, argument = before:match("^%s*:(%a+)%s+(.*)$")
    local takes = command and commands.find(command)
    if not takes then return {}, "" end
    if of_argument[takes.takes] then
        return of_argument[takes.takes](session, argument), argument
    end
    return expression(session, argument)
end

function expression(session, before)
    local outside, inside, quote = open_string(before)
    if inside then return of_string(outside, inside, quote), inside end
    local chain, prefix = before:match("([%a_][%w_.:]*[.:])([%w_]*)$")
    if chain then return of_chain(session.env, chain, prefix), prefix end
    prefix = before:match("[%a_][%w_]*$") or ""
    return globals(session.env, prefix), prefix
end

-- ---- putting it in -----------------------------------------------------------------------------------------

local function common(list)
    local prefix = list[1].word
    for _, candidate in ipairs(list) do
        while not starts_with(candidate.word, prefix) do prefix = prefix:sub(1, -2) end
    end
    return prefix:match("^[%z\1-\127]*") == prefix and prefix or text.valid(prefix, "")
end

--- What may be meant by the word before the cursor, sorted.
---@param session kmirror.repl.session
---@param before string the input up to the cursor
---@return kmirror.repl.candidate[]
---@return string prefix what has been typed of it
function M.candidates(session, before)
    local list, prefix
    if before:find("^%s*:") then
        list, prefix = of_command(session, before)
    else
        list, prefix = expression(session, before)
    end
    table.sort(list, function(a, b) return a.word < b.word end)
    return list, prefix
end

--- Completes the word before the cursor as far as it is certain.
---@param session kmirror.repl.session
---@param line string
---@param cursor integer in bytes
---@return string|nil line nil when there is nothing to put in
---@return integer|nil cursor
---@return kmirror.repl.candidate[]|nil choices when there are several, and nothing is certain
function M.complete(session, line, cursor)
    local before, after = line:sub(1, cursor), line:sub(cursor + 1)
    local list, prefix = M.candidates(session, before)
    if #list == 0 then return nil end
    local word = common(list)
    if #list == 1 then word = word .. (after == "" and list[1].tail or "") end
    if word == prefix or #list > 1 and #word <= #prefix then return line, cursor, list end
    local start = before:sub(1, #before - #prefix) .. word
    return start .. after, #start
end

--- Candidates as lines: in columns when they have no notes.
---@param list kmirror.repl.candidate[]
---@param width integer of the terminal
---@return string
function M.listing(list, width)
    local labels, widest, notes = {}, 0, false
    for i, candidate in ipairs(list) do
        labels[i] = text.clean(candidate.label or candidate.word)
        widest = math.max(widest, text.width(labels[i]))
        notes = notes or candidate.note ~= nil
    end
    local columns = notes and 1 or math.max(1, (width + 2) // (widest + 2))
    local rows, lines = (#list + columns - 1) // columns, {}
    for row = 1, math.min(rows, 40) do
        local line = ""
        for i = row, #list, rows do
            local label, note = labels[i], list[i].note
            if note or i + rows <= #list then
                label = label .. (" "):rep(widest - text.width(label) + 2)
            end
            line = line .. label .. text.clean(note or "")
        end
        lines[row] = text.cut(line, width) .. "\n"
    end
    if rows > 40 then lines[#lines + 1] = ("… and %d more\n"):format(#list - 40 * columns) end
    return table.concat(lines)
end

return M
