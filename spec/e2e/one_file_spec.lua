local support = require("spec.support")

describe("the executable", function()
    it("runs a shipped runbook where there is nothing else of kmirror", function()
        local directory = support.temporary_directory()
        os.execute(("cp %s %s/km"):format(support.quote(support.executable), directory))
        local result = support.run { "run", "--sandbox", "--creating-seconds", "0", "--sync-seconds", "0",
            "--report", "page.html", "failover", executable = directory .. "/km", directory = directory,
            env = { TMPDIR = directory } }
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(support.read(directory .. "/page.html"):find("</html>\n$"))
        assert.is_truthy(result.stdout:find("24 of 24 new mirrors us-east -> us-west work", 1, true))
    end)

    it("is content without a home, a terminal or a locale", function()
        local result = support.run { "list", "--sandbox", env = { HOME = false, LC_ALL = "C", TERM = false } }
        assert.are.equal(0, result.status, result.stderr)
    end)

    -- A copy of it in a folder of its own, at that path there.
    local function copy_to(path)
        local directory = support.temporary_directory()
        os.execute(("install -D %s %s/%s"):format(support.quote(support.executable), directory, path))
        return directory, directory .. "/" .. path
    end

    it("knows file, line and variables of what is built in", function()
        local _, executable = copy_to("km")
        local result = support.run { "run", "-", executable = executable, stdin = [[
            local is_command = require "kmirror.repl.parts".is_command
            local about = debug.getinfo(is_command, "S")
            print(about.source, about.linedefined, debug.getlocal(is_command, 1))]] }
        local line = 0
        for text in support.read("lib/kmirror/repl/parts.lua"):gmatch("(.-)\n") do
            line = line + 1
            if text:find("^function M.is_command%(text") then break end
        end
        assert.are.equal(("@lib/kmirror/repl/parts.lua\t%d\ttext\n"):format(line), result.stdout, result.stderr)
    end)

    it("takes from a checkout that it was built in what was edited there since", function()
        local directory, executable = copy_to("build/kmirror")
        os.execute(("cd %s && mkdir -p runtime lib/kmirror/cli && touch runtime/files.c"):format(directory))
        local source = support.read("lib/kmirror/cli/version.lua")
        local edited = directory .. "/lib/kmirror/cli/version.lua"
        support.write(edited, source)
        local before = support.run { "version", executable = executable }.stdout
        assert.is_truthy(before:find("^kmirror %d"))
        support.write(edited, (source:gsub('"kmirror "', '"edited "')))
        assert.are.equal(before:gsub("kmirror", "edited"), support.run { "version", executable = executable }.stdout)
    end)

    it("loads for a runbook without options neither what reads options nor what reports", function()
        local result = support.run { "run", "-", stdin = [[
            print(package.loaded["kmirror.cli"] ~= nil, package.loaded.argparse, package.loaded["kmirror.report"])]] }
        assert.are.equal("true\tnil\tnil\n", result.stdout, result.stderr)
    end)
end)
