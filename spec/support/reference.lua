--- reference: makes lib/README.md from the annotations in lib/, and finds the public functions that lack theirs.
---
---     lua5.4 spec/support/reference.lua > lib/README.md.new && mv lib/README.md.new lib/README.md
local reference = {}

-- What runbooks are written with, in the order in which the reference has it.
local modules = {
    "bulk", "bulk.result", "wait", "health", "steps", "confirm", "changes", "options", "limits", "again", "summary",
    "selection", "findings", "profile", "hooks", "http", "fleet", "regex", "table", "text", "csv", "sparkline",
    "file", "shell", "json", "log", "terminal", "usage", "test",
}

local introduction = [[
# Library reference

What runbooks are written with, on top of the native modules `mirrors` and `task`, which
[`../runtime/README.md`](../runtime/README.md) describes.
[`../scripts/README.md`](../scripts/README.md) is a guide to it. A module is loaded by its name:

    local bulk = require("kmirror.bulk")

Errors are the objects that `mirrors` raises, with a `kind`. "usage" is what `kmirror.usage` raises: it ends kmirror
with exit status 2. A `?` marks what may be left out. This file is made from the annotations in `lib/`; after a change
there:

    lua5.4 spec/support/reference.lua > lib/README.md.new && mv lib/README.md.new lib/README.md
]]

-- ---- reading ----------------------------------------------------------------------------------------------

local function path_of(module)
    return "lib/kmirror/" .. module:gsub("%.", "/") .. ".lua"
end

-- Takes apart the lines of a doc comment: what is said, and the tags; a line that is indented goes on with a tag.
local function parse_comment(lines)
    local doc = { text = {}, tags = {} }
    local last
    for _, line in ipairs(lines) do
        local tag, rest = line:match("^%-%-%-@(%a+)%s*(.*)$")
        if tag then
            last = { tag = tag, rest = rest }
            table.insert(doc.tags, last)
        elseif last and line:find("^%-%-%-  %S") then
            last.rest = last.rest .. line:match("^%-%-%-%s+(.*)$"):gsub("^", " ")
        else
            last = nil
            table.insert(doc.text, (line:gsub("^%-%-%- ?", "")))
        end
    end
    return doc
end

-- The name and parameters that a line of code makes public; nil for any other line.
local function public(line)
    local name, parameters = line:match("^function M%.([%a_][%w_]*)%((.*)%)")
    if name then return { name = name, parameters = parameters } end
    local class, method, its = line:match("^function (%u%w*):([%a][%w_]*)%((.*)%)")
    if class then return { name = method, class = class, parameters = its } end
    name = line:match("^M%.([%a_][%w_]*) = ")
    if name then return { name = name, value = true } end
    parameters = line:match("^return fields%.checked%(.*function%((.*)%)$")
    return parameters and { parameters = parameters }
end

---@param module string
---@return { name: string, doc: table, items: table[], classes: table[] }
local function read(module)
    local found = { name = module, items = {}, classes = {} }
    local lines, started = {}, false
    for line in io.lines(path_of(module)) do
        if line:find("^%-%-%-") and not line:find("^%-%-%-%-") then
            lines[#lines + 1] = line
        else
            local doc = parse_comment(lines)
            local item = public(line)
            if not started then found.doc, started = doc, true end
            if item then
                item.doc, item.documented = doc, #lines > 0
                table.insert(found.items, item)
            elseif doc.tags[1] and doc.tags[1].tag == "class" then
                table.insert(found.classes, doc)
            end
            lines = {}
        end
    end
    return found
end

-- ---- checking ---------------------------------------------------------------------------------------------

local function label(module, item)
    if item.class then return item.class:lower() .. ":" .. item.name end
    local short = module:match("[^.]+$")
    return item.name and short .. "." .. item.name or short
end

local function has_param(doc, name)
    for _, tag in ipairs(doc.tags) do
        if tag.tag == "param" and tag.rest:match("^([%w_.]+)") == name then return true end
    end
    return false
end

-- What the doc of a public function lacks; nil when it is complete.
local function lack(item)
    if not item.documented then
        return "has no doc"
    elseif #item.doc.text == 0 or item.doc.text[1] == "" then
        return "does not say what it does"
    end
    for parameter in (item.parameters or ""):gmatch("[%w_.]+") do
        if parameter ~= "..." and not has_param(item.doc, parameter) then
            return "does not say what '" .. parameter .. "' is"
        end
    end
end

reference.modules, reference.read, reference.label = modules, read, label

---What is missing: a line for each public function whose doc is not complete.
---@return string[]
function reference.lacking()
    local problems = {}
    for _, module in ipairs(modules) do
        for _, item in ipairs(read(module).items) do
            local problem = lack(item)
            if problem then
                problems[#problems + 1] = ("%s: %s %s"):format(path_of(module), label(module, item), problem)
            end
        end
    end
    return problems
end

-- ---- writing ----------------------------------------------------------------------------------------------

local function signature(module, item)
    local optional = {}
    for _, tag in ipairs(item.doc.tags) do
        local name = tag.rest:match("^([%w_]+)%?")
        if tag.tag == "param" and name then optional[name] = true end
    end
    if item.value then
        local shape = item.doc.tags[1] and item.doc.tags[1].tag == "type" and item.doc.tags[1].rest or ""
        local parameters = shape:match("^fun%((.-)%)") or ""
        return ("`%s(%s)`"):format(label(module, item), (parameters:gsub(":%s*[^,]+", "")))
    end
    return ("`%s(%s)`"):format(label(module, item), (item.parameters:gsub("[%w_]+", function(name)
        return optional[name] and name .. "?" or name
    end)))
end

-- Where a type ends and what is said of it begins: types have spaces only inside brackets and after a colon.
local function split_type(text)
    local depth, position = 0, 1
    while position <= #text do
        local character = text:sub(position, position)
        if character:find("[({<%[]") then depth = depth + 1 end
        if character:find("[)}>%]]") then depth = depth - 1 end
        if character == " " and depth == 0 and not text:sub(1, position - 1):find("[:,|]$") then
            return text:sub(1, position - 1), text:sub(position + 1)
        end
        position = position + 1
    end
    return text, ""
end

local function named(rest)
    local name, more = rest:match("^(%S+)%s+(.*)$")
    local kind, said = split_type(more or "")
    return ("- `%s` %s%s"):format(name or rest, kind ~= "" and "(`" .. kind .. "`)" or "", said ~= "" and ": " .. said
        or "")
end

local writers = {
    param = named,
    field = named,
    ["return"] = function(rest)
        local kind, said = split_type(rest)
        return ("- returns `%s`%s"):format(kind, said ~= "" and ": " .. said or "")
    end,
}

local function write_tags(out, doc)
    local begun = false
    for _, tag in ipairs(doc.tags) do
        local writer = writers[tag.tag]
        if writer then
            if not begun then out[#out + 1] = "" end
            begun = true
            out[#out + 1] = writer(tag.rest)
        end
    end
end

local function write_item(out, module, item)
    table.move({ "", "### " .. signature(module, item), "" }, 1, 3, #out + 1, out)
    local raises, text = {}, item.doc.text
    for _, line in ipairs(text) do
        local list = (#raises > 0 or line:find("^Raises")) and #item.doc.tags > 0 and raises or out
        list[#list + 1] = line
    end
    write_tags(out, item.doc)
    if #raises > 0 then
        out[#out + 1] = ""
        table.move(raises, 1, #raises, #out + 1, out)
    end
end

local function write_module(out, found)
    table.move({ "", "## kmirror." .. found.name, "" }, 1, 3, #out + 1, out)
    for i, line in ipairs(found.doc.text) do
        out[#out + 1] = i == 1 and line:gsub("^[%w._]+: (%l)", string.upper) or line
    end
    for _, item in ipairs(found.items) do write_item(out, found.name, item) end
    for _, class in ipairs(found.classes) do
        local name, said = class.tags[1].rest:match("^([%w_.]+):?%s*(.*)$")
        table.move({ "", ("**`%s`** %s"):format(name, said) }, 1, 2, #out + 1, out)
        write_tags(out, class)
    end
end

---The reference, as Markdown.
---@return string
function reference.text()
    local out = { (introduction:gsub("\n$", "")) }
    for _, module in ipairs(modules) do write_module(out, read(module)) end
    local lines = table.concat(out, "\n"):gsub("[ ]+\n", "\n"):gsub("\n\n\n+", "\n\n")
    return lines .. "\n"
end

if arg and arg[0] and arg[0]:find("reference%.lua$") and not package.loaded.busted then
    io.stdout:write(reference.text())
end

return reference
