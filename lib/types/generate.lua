-- generate: makes the files by which an editor's Lua language server knows `mirrors`, `task` and `kmirror.*`, from the
-- annotations in the sources: what is public, without its insides.
--
--     kmirror run lib/types/generate.lua DIRECTORY

local host = require("host")

-- Annotations that stand for themselves, whatever follows them.
local function is_declaration(block)
    return table.concat(block, "\n"):find("%-%-%-@[ac]l[ia][as]s") ~= nil
end

---@class types.reader
---@field out string[] lines of the type file
---@field block string[] the comment being read
---@field module string|nil the variable that is returned in the end
---@field table string|nil the one whose constructor is being read
local Reader = {}
Reader.__index = Reader

function Reader:emit(line)
    if #self.out > 0 and self.out[#self.out] ~= "" then self.out[#self.out + 1] = "" end
    table.move(self.block, 1, #self.block, #self.out + 1, self.out)
    self.out[#self.out + 1] = line
    self.block = {}
end

-- Each rule: a pattern for a line, and what the type file has in its place; nil when the rule does not apply.
local rules = {
    { "^local ([%a_]+) = {}?", function(self, name)
        if name == self.module or is_declaration(self.block) then
            return ("local %s = {}"):format(name)
        end
    end },
    { "^([%a_]+)%.__index = {}", function(self, name)
        return is_declaration(self.block) and ("local %s = {}"):format(name) or nil
    end },
    { "^local ([%a_]+) = (%u%a*)%.__index", function(_, name, class)
        return ("local %s = %s"):format(name, class)
    end },
    { "^function ([%a_]+[.:])([%a][%w_]*)(%b())", function(self, table_name, name, parameters)
        if #self.block > 0 then
            return ("function %s%s%s end"):format(table_name, name, parameters)
        end
    end },
    { "^([%a_]+)%.([%a][%w_]*) = ", function(self, table_name, name)
        if table_name == self.module and #self.block > 0 then
            return ("%s.%s = nil"):format(table_name, name)
        end
    end },
    { "^    ([%a][%w_]*) = [%w_.]+,$", function(self, name)
        if self.table and #self.block > 0 then return ("%s.%s = nil"):format(self.table, name) end
    end },
    { "^return function(%b())", function(_, parameters)
        return ("return function%s end"):format(parameters)
    end },
    { "^return ([%a_]+)$", function(self, name)
        return name == self.module and "return " .. name or nil
    end },
}

function Reader:code(line)
    for _, rule in ipairs(rules) do
        local captures = { line:match(rule[1]) }
        local instead = captures[1] and rule[2](self, table.unpack(captures))
        if instead then
            self:emit(instead)
            self.table = line:match("^local ([%a_]+) = {$") or (line:find("^ ") and self.table) or nil
            return
        end
    end
    if is_declaration(self.block) then self:emit("") end
    self.block = {}
end

function Reader:line(line)
    local comment = line:match("^%s*(%-%-%-[^-].*)$") or line:match("^%s*(%-%-%-)$")
    if comment then
        self.block[#self.block + 1] = comment
    else
        self:code(line)
    end
end

local function read(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read("a")
end

-- Only the classes and aliases of a source.
local function declarations(path)
    local reader = setmetatable({ out = {}, block = {} }, Reader)
    for line in (read(path) .. "\n"):gmatch("([^\n]*)\n") do
        local comment = line:match("^(%-%-%-.*)$")
        if comment then
            reader.block[#reader.block + 1] = comment
        else
            if is_declaration(reader.block) then reader:emit("") end
            reader.block = {}
        end
    end
    return reader.out
end

-- A source without what guards the arguments of its functions: it ends with the module itself.
local function plain(source)
    return (source:gsub("\nreturn fields%.guard%(\"[^\"]*\", ([%a_]+), .*$", "\nreturn %1\n"))
end

-- What a module has, and what another file adds to it.
local function interface(path, added)
    local source = plain(read(path))
    if added then
        source = source:gsub("\n(return [%a_]+%s*)$", function(last) return "\n" .. read(added) .. last end)
    end
    local reader = setmetatable({ out = {}, block = {}, module = source:match("return ([%a_]+)%s*$") }, Reader)
    for line in source:gmatch("([^\n]*)\n") do reader:line(line) end
    return reader.out
end

local function write(path, module, ...)
    assert(host.make_directory(path:match("^(.*)/")))
    local file <close> = assert(io.open(path, "wb"))
    file:write("---@meta ", module, "\n")
    for _, lines in ipairs({ ... }) do file:write("\n", table.concat(lines, "\n"), "\n") end
end

local directory = assert(..., "where to?")
write(directory .. "/mirrors.lua", "mirrors", declarations("runtime/error.lua"), declarations("runtime/options.lua"),
    declarations("runtime/retry.lua"), declarations("runtime/secret.lua"), declarations("runtime/v1.lua"),
    declarations("runtime/reconcile.lua"), declarations("runtime/connects.lua"),
    declarations("runtime/connect_lag.lua"), declarations("runtime/connect_groups.lua"),
    declarations("runtime/several.lua"), declarations("runtime/fields.lua"),
    interface("runtime/mirrors.lua", "runtime/operations.lua"))
write(directory .. "/task.lua", "task", interface("runtime/task.lua"))

-- What the command line is made of is not for runbooks.
local inner = { cli = true, doctor = true, sandbox = true, repl = true, report = true }
local list <close> = assert(io.popen("find lib/kmirror -name '*.lua'"))
for path in list:lines() do
    local name = path:match("^lib/kmirror/(.*)%.lua$")
    if not inner[name:match("^[^/]+")] then
        local module = "kmirror." .. name:gsub("/", ".")
        write(("%s/kmirror/%s.lua"):format(directory, name), module, interface(path))
    end
end
