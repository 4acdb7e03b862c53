-- What make install and make deb bring along besides the executable.
local annotations = require "spec.support.annotations"
local support = require "spec.support"

local function make(goal, ...)
    local result = support.run { "-s", "--no-print-directory", goal, "BUILD=" .. support.build, command = "make",
        timeout = 120, ... }
    assert.are.equal(0, result.status, result.stderr)
    return result.stdout
end

local function lines(text)
    local found = {}
    for line in text:gmatch("[^\n]+") do found[#found + 1] = line end
    return found
end

local function output(command, ...)
    local result = support.run { command = command, ... }
    assert.are.equal(0, result.status, result.stderr)
    return result.stdout, result.stderr
end

-- The lines that a script prints in the host.
local function in_host(script)
    return lines(support.run { "run", "-", stdin = script }.stdout)
end

describe("make install", function()
    local root

    setup(function()
        root = support.temporary_directory("root")
        make("install", "DESTDIR=" .. root, "PREFIX=/opt/k")
        root = root .. "/opt/k"
    end)

    it("installs guide, references and cookbook, with the links between them", function()
        for _, path in ipairs { "README.md", "scripts/README.md", "lib/README.md", "runtime/README.md",
            "scripts/cookbook/lag.lua", "scripts/cookbook/canary_spec.lua" } do
            assert.are.equal(support.read(path), support.read(root .. "/share/doc/kmirror/" .. path), path)
        end
    end)

    it("installs an executable, a module, manual pages, completions and types", function()
        for _, path in ipairs { "bin/kmirror", "lib/lua/5.4/mirrors.so", "share/man/man1/kmirror.1",
            "share/man/man7/kmirror-runbook.7", "share/bash-completion/completions/kmirror",
            "share/zsh/site-functions/_kmirror", "share/fish/vendor_completions.d/kmirror.fish",
            "share/kmirror/types/mirrors.lua", "share/kmirror/types/kmirror/bulk.lua" } do
            assert.is_true(#support.read(root .. "/" .. path) > 0, path)
        end
        local result = support.run { "version", executable = root .. "/bin/kmirror", directory = root }
        assert.are.equal(0, result.status, result.stderr)
    end)

    it("makes manual pages that man has nothing to say against, within 80 columns", function()
        for _, page in ipairs { "man1/kmirror.1", "man7/kmirror-runbook.7" } do
            local result = support.run { "--warnings", "-l", root .. "/share/man/" .. page, command = "man",
                env = { MANWIDTH = "80", MAN_KEEP_FORMATTING = false, LC_ALL = "C" } }
            assert.are.equal(0, result.status, result.stderr)
            assert.are.equal("", result.stderr)
            for _, line in ipairs(lines(result.stdout)) do assert.is_true(#line <= 96, line) end
        end
    end)

    it("tells in kmirror(1) of every command and runbook with their options, as help does", function()
        local page = output("man", "-l", root .. "/share/man/man1/kmirror.1")
        local flat = page:gsub("%s+", " ")
        for _, command in ipairs(in_host 'for _, name in ipairs(require("kmirror.cli").names) do print(name) end') do
            assert.is_truthy(flat:find("kmirror " .. command, 1, true), command)
        end
        for option in support.run { "run", "failover", "--help" }.stdout:gmatch("\n +(%-%-[%l-]+)") do
            assert.is_truthy(flat:find(option, 1, true), option)
        end
        for _, words in ipairs { "--log-level LEVEL", "kmirror run watch", "KMIRROR_API_KEY_FILE", "130" } do
            assert.is_truthy(flat:find(words, 1, true), words)
        end
        assert.is_truthy(support.read(root .. "/share/man/man7/kmirror-runbook.7")
            :find('"workspace.library": ["/opt/k/share/kmirror/types"]', 1, true))
    end)

    it("makes types that name what is public, and nothing else", function()
        local functions = in_host [[
            for _, name in ipairs { "mirrors", "task", "kmirror.bulk", "kmirror.wait", "kmirror.table", "kmirror.json",
                "kmirror.csv", "kmirror.log", "kmirror.health", "kmirror.options", "kmirror.profile" } do
                for key in pairs(require(name)) do print(name .. " " .. key) end
            end]]
        assert.is_true(#functions > 30)
        local known = {}
        for _, each in ipairs(functions) do
            local name = each:match("^%S+")
            known[name] = known[name] or {}
            table.insert(known[name], each:match("%S+$"))
        end
        for name, keys in pairs(known) do
            local types = support.read(("%s/share/kmirror/types/%s.lua"):format(root, name:gsub("%.", "/")))
            local variable = types:match("return (%a+)%s*$")
            assert.are.equal("---@meta " .. name, types:match("^[^\n]*"))
            local named = {}
            for key in types:gmatch("\nfunction " .. variable .. "%.([%w_]+)%(") do named[#named + 1] = key end
            for key in types:gmatch("\n" .. variable .. "%.([%w_]+) = nil") do named[#named + 1] = key end
            table.sort(keys)
            table.sort(named)
            assert.are.same(keys, named, name)
        end
    end)

    it("makes types with their classes and what is raised", function()
        local types = support.read(root .. "/share/kmirror/types/mirrors.lua")
        for _, words in ipairs { "---@class mirrors.Options\n", "---@class mirrors.Error\n", "---@alias mirrors.kind\n",
            "---@class mirrors.Mirror: mirrors.Summary\n", "---@param spec mirrors.Spec\n---@return string id",
            "\nfunction Api:create(spec) end\n" } do
            assert.is_truthy(types:find(words, 1, true), words)
        end
        local files = lines(output("find", root .. "/share/kmirror/types", "-name", "*.lua"))
        for _, path in ipairs(files) do
            assert(loadfile(path))
        end
        local undefined, names = annotations.undefined(files)
        assert.are.equal("", table.concat(undefined, "\n"))
        assert.is_true(names > 1000)
    end)
end)

describe("make deb", function()
    it("makes a package that holds all of that, and names what it needs", function()
        local package = support.build .. "/" .. make("deb"):match("([^/\n]+%.deb)\n$")
        local contents = output("dpkg-deb", "-c", package)
        for _, path in ipairs { "./usr/bin/kmirror", "./usr/share/man/man1/kmirror.1.gz",
            "./usr/share/man/man7/kmirror-runbook.7.gz", "./usr/share/bash-completion/completions/kmirror",
            "./usr/share/zsh/vendor-completions/_kmirror", "./usr/share/fish/vendor_completions.d/kmirror.fish",
            "./usr/share/doc/kmirror/copyright", "/lua/5.4/mirrors.so", "./usr/share/doc/kmirror/scripts/README.md",
            "./usr/share/doc/kmirror/scripts/cookbook/lag.lua" } do
            assert.is_truthy(contents:find(path .. "\n", 1, true), path)
        end
        assert.is_nil(contents:find("/local/", 1, true))
        assert.is_nil(contents:find("\n%S+ [^r ]%S*/%S* "), "owned by others than root")
        local depends = output("dpkg-deb", "-f", package, "Depends")
        for _, library in ipairs { "libc6", "libcurl4", "liblua5.4-0", "libmicrohttpd12", "lua-dbi-sqlite3" } do
            assert.is_truthy(depends:find(library, 1, true), library)
        end
        local root = support.temporary_directory("unpacked")
        output("dpkg-deb", "-x", package, root)
        local result = support.run { "list", "--sandbox", executable = root .. "/usr/bin/kmirror", directory = root }
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(24, #lines(result.stdout))
    end)
end)
