local files = require("kmirror.file")
local host = require("host")
local log = require("kmirror.log")
local shell = require("kmirror.shell")
local refuse = require("kmirror.usage")

local function write(path, template, name)
    local source = assert(host.source("scripts/template/" .. template .. ".lua"))
    local ok, problem = pcall(files.write, path, (source:gsub("NAME", name)))
    if not ok then refuse("cannot write %s", tostring(problem)) end
    log.info("wrote %s", path)
end

---@type kmirror.command
return {
    name = "new",
    summary = "Begin a runbook: NAME.lua, with its test.",
    details = [[
Writes NAME.lua, which takes options, works in batches with a gate behind each,
and sets back what is not healthy, and NAME_spec.lua, which tests it. Both work
as they are; change what they do. Nothing that is there is written over.]],
    sets = { "messages" },

    define = function(parser)
        parser:argument("NAME", "Letters, digits, _ and -; folders before it are fine."):argname("NAME")
            :target("new_runbook")
    end,

    run = function(options)
        local path = options.new_runbook:gsub("%.lua$", "")
        local name = path:match("[^/]*$")
        if not name:find("^%a[%w_-]*$") then
            refuse("a runbook's name is a letter and then letters, digits, _ and -, got '%s'", name)
        end
        local runbook, spec = path .. ".lua", path .. "_spec.lua"
        for _, each in ipairs({ runbook, spec }) do
            if files.exists(each) then
                refuse("%s is there already, and is not written over: choose another name", each)
            end
        end
        write(runbook, "runbook", name)
        write(spec, "runbook_spec", name)
        log.info("next: kmirror test %s, then kmirror run --sandbox %s", shell.word(spec), shell.word(runbook))
        return 0
    end,
}
