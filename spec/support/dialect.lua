-- dialect: what luacheck does not look at, so that all Lua of kmirror reads as if one person had written it. `make
-- lint-lua` runs it over all files; `make dialect` puts them right.
--
-- - `require("x")`, with parentheses and double quotes;
-- - an `if`, `for` or `while` around one plain statement is one line where that has at most 100 columns, and around
--   anything else it is not. What has an `else`, or no statement at all, is left as it is.

local dialect = {}

local widest = 100

-- ---- reading ----------------------------------------------------------------------------------------------

-- The last place of the long bracket that begins at a place; nil when none does.
local function end_of_long(source, at)
    local _, to, level = source:find("^%[(=*)%[", at)
    if not to then return nil end
    local _, last = source:find("]" .. level .. "]", to + 1, true)
    return last or #source
end

local function end_of_string(source, at)
    local quote, place = source:sub(at, at), at + 1
    while source:sub(place, place) ~= quote and place <= #source do
        place = place + (source:sub(place, place) == "\\" and 2 or 1)
    end
    return place
end

-- The end of the string, comment or piece of code that begins at a place, and whether it is code.
local function piece(source, at)
    if source:find("^%-%-", at) then
        return end_of_long(source, at + 2) or (source:find("\n", at, true) or #source + 1) - 1, false
    elseif source:find("^[\"']", at) then
        return end_of_string(source, at), false
    end
    local last = end_of_long(source, at)
    if last then return last, false end
    return (source:find("[-%[\"']", at + 1) or #source + 1) - 1, true
end

-- The source with all that is no code blanked out: as long, and with the same lines.
local function bare(source)
    local parts, at = {}, 1
    while at <= #source do
        local last, is_code = piece(source, at)
        local text = source:sub(at, last)
        parts[#parts + 1] = is_code and text or text:gsub("[^\n]", "\1")
        at = last + 1
    end
    return table.concat(parts)
end

local function lines_of(text)
    local lines = {}
    for line in (text .. "\n"):gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
    if lines[#lines] == "" then lines[#lines] = nil end
    return lines
end

-- ---- blocks -----------------------------------------------------------------------------------------------

local opens = { ["then"] = true, ["do"] = true, ["function"] = true, ["repeat"] = true }
local closes = { ["end"] = true, ["until"] = true, ["else"] = true, ["elseif"] = true }
local begins = { ["if"] = true, ["for"] = true, ["while"] = true }

local function count(code, pattern)
    return select(2, code:gsub(pattern, ""))
end

-- Whether a line, as code, is one whole statement without a block, a comment or a name that only lives in it.
local function is_plain(code)
    for word in code:gmatch("[%a_][%w_]*") do
        if opens[word] or closes[word] or word == "local" then return false end
    end
    return not code:find("^%s*%-%-") and not code:find(";") and code:find("%S") ~= nil
        and not code:find("^%s*::") and count(code, "[({%[]") == count(code, "[)}%]]")
end

local function head_of(code)
    local indent, word = code:match("^(%s*)(%a+)%f[%W].*%f[%a]%a+$")
    local last = code:match("%f[%a](%a+)$")
    if word and begins[word] and (last == "then" or last == "do") and count(code, "%f[%a]then%f[%A]") < 2 then
        return indent
    end
end

-- The three lines that should be one, joined; nil when they should not.
local function joined(lines, codes, i)
    local indent = head_of(codes[i])
    if not indent or codes[i + 2] ~= indent .. "end" or not is_plain(codes[i + 1]) then
        return nil
    end
    local line = ("%s %s end"):format(lines[i], lines[i + 1]:match("^%s*(.-)%s*$"))
    return not lines[i + 1]:find("--", 1, true) and #line <= widest and line or nil
end

-- Where the block of a one-line `if`, `for` or `while` begins and ends, and whether that is one plain statement.
local function block_of(code)
    local indent, word = code:match("^(%s*)(%a+)%f[%W]")
    if not word or not begins[word] or not code:find("%f[%a]end$") then return nil end
    local _, from = code:find(word == "if" and "%f[%a]then%f[%A]" or "%f[%a]do%f[%A]")
    if not from then return nil end
    return indent, from, #code - 3, is_plain(code:sub(from + 1, #code - 3))
end

-- ---- one file ---------------------------------------------------------------------------------------------

-- What a one-line block should be, in lines; nil when it is right.
local function parted(line, code)
    local indent, from, to, plain = block_of(code)
    if not indent or plain and #line <= widest or code:find("%f[%a]else") or code:sub(from + 1, to):find("^%s*$") then
        return nil
    end
    return { line:sub(1, from), indent .. "    " .. line:sub(from + 1, to):match("^%s*(.-)%s*$"), indent .. "end" }
end

-- `require "x"`, as code has it.
local function requiring(line, code)
    local at = code:find("%f[%w_]require%s*\1")
    if not at then return line end
    local before, rest = line:sub(1, at - 1), line:sub(at)
    return before .. rest:gsub("^require%s*(['\"])([%w_.]+)%1", 'require("%2")')
end

local function once(source)
    local lines, codes, made = lines_of(source), lines_of(bare(source)), {}
    local i = 1
    while i <= #lines do
        local one, several = joined(lines, codes, i), parted(lines[i], codes[i])
        for _, line in ipairs(one and { one } or several or { requiring(lines[i], codes[i]) }) do
            made[#made + 1] = line
        end
        i = i + (one and 3 or 1)
    end
    return table.concat(made, "\n") .. "\n"
end

--- A file as it should be.
---@param source string
---@return string
function dialect.fixed(source)
    local result = once(source)
    return result == source and source or dialect.fixed(result)
end

-- ---- all files --------------------------------------------------------------------------------------------

local function read(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read("a")
end

local function first_difference(source, fixed)
    local lines = lines_of(fixed)
    for i, line in ipairs(lines_of(source)) do
        if line ~= lines[i] then return i, lines[i] end
    end
end

--- What is not as it should be, a line each; with `fix` it is put right instead.
---@param paths string[]
---@param fix boolean
---@return string[]
function dialect.check(paths, fix)
    local problems = {}
    for _, path in ipairs(paths) do
        local source = read(path)
        local fixed = dialect.fixed(source)
        if fixed ~= source and fix then
            local file <close> = assert(io.open(path, "wb"))
            file:write(fixed)
        elseif fixed ~= source then
            local number, line = first_difference(source, fixed)
            problems[#problems + 1] = ("%s:%d: expected: %s"):format(path, number, line or "nothing more")
        end
    end
    return problems
end

if arg and arg[0] and arg[0]:find("dialect%.lua$") then
    local fix = arg[1] == "--fix"
    local problems = dialect.check(table.move(arg, fix and 2 or 1, #arg, 1, {}), fix)
    for _, problem in ipairs(problems) do io.stderr:write(problem, "\n") end
    if #problems > 0 then
        io.stderr:write("to put it right: make dialect\n")
        os.exit(1)
    end
end

return dialect
