-- What make install, make deb and make dist bring along besides the executable.
local annotations = require("spec.support.annotations")
local support = require("spec.support")

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
        for _, path in ipairs { "README.md", "scripts/README.md", "scripts/RUNNING.md", "lib/README.md",
            "runtime/README.md", "scripts/cookbook/lag.lua", "scripts/cookbook/canary_spec.lua" } do
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
            for key in types:gmatch("\nfunction " .. variable .. "%.([%w_]+)%(") do
                named[#named + 1] = key
            end
            for key in types:gmatch("\n" .. variable .. "%.([%w_]+) = nil") do
                named[#named + 1] = key
            end
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
        for _, path in ipairs(files) do assert(loadfile(path)) end
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

describe("make dist", function()
    local version = support.run { "version" }.stdout:match("^kmirror (%S+)")
    local name = ("kmirror-%s-linux-%s"):format(version, lines(output("uname", "-m"))[1])
    local archive = lines(output("realpath", support.build))[1] .. "/" .. name .. ".tar.gz"
    local root = support.temporary_directory("root") -- of a machine that has glibc, and nothing else
    local certificates = support.certificates()

    -- Runs something there, with nothing of this machine but its kernel and its network.
    local function run_there(words, options)
        local all = { "--mount", "--pid", "--fork", "--kill-child", "--mount-proc=/proc", "--root=" .. root, "--",
            command = "unshare", env = { HOME = "/home" } }
        if output("id", "-u") ~= "0\n" then table.insert(all, 1, "--map-root-user") end
        table.move(words, 1, #words, #all + 1, all)
        for variable, value in pairs(options and options.env or {}) do all.env[variable] = value end
        return support.run(all)
    end

    local function there(...)
        return run_there({ "/" .. name .. "/bin/kmirror", ... })
    end

    local function lacks_namespaces()
        local refused = run_there({ "/nothing" }).stderr:find("Operation not permitted", 1, true)
        return refused and "the kernel gives this user no root of its own"
    end

    setup(function()
        make("dist")
        output("sh", "-c", [=[
            cd "$1" && mkdir -p proc tmp dev home etc/pki/tls/certs lib/$(uname -m)-linux-gnu
            for file in $(dpkg -L libc6 | grep '/lib/[^/]*linux-gnu/[^/]*[.]so[.0-9]*$'); do
                cp -L $file lib/$(uname -m)-linux-gnu/ || exit 1
            done
            loader=$(ldd /bin/true | sed -n 's,^[[:space:]]*\(/[^ ]*ld-linux[^ ]*\).*,\1,p')
            install -D $loader .$loader && cp "$2" etc/pki/tls/certs/ca-bundle.crt && tar xzf "$3"]=],
            "sh", root, certificates.ca, archive)
    end)

    it("makes an archive whose checksums are right, with the license of all that it holds", function()
        output("sh", "-c", "cd " .. support.build .. " && sha256sum --quiet --strict -c " .. name .. ".tar.gz.sha256")
        output("sh", "-c", "cd " .. root .. "/" .. name .. " && sha256sum --quiet --strict -c SHA256SUMS")
        local packages = 0
        for package in support.read(root .. "/" .. name .. "/README.txt"):gmatch("\n(%S+) %S+, source ") do
            local text = support.read(("%s/%s/share/doc/kmirror/licenses/%s"):format(root, name, package))
            assert.is_true(#text > 0, package)
            packages = packages + 1
        end
        assert.is_true(packages > 30)
    end)

    it("holds what make install brings, and nothing else to run", function()
        local listed = output("tar", "tzf", archive)
        for _, path in ipairs { "bin/kmirror", "LICENSE", "share/man/man1/kmirror.1", "share/doc/kmirror/README.md",
            "share/doc/kmirror/scripts/cookbook/lag.lua", "share/kmirror/types/mirrors.lua", "lib/kmirror/libcurl.so.4",
            "lib/kmirror/librdkafka.so.1", "lib/kmirror/libpq.so.5", "lib/kmirror/lua/dbd/sqlite3.so",
            "lib/kmirror/lua/busted/runner.lua" } do
            assert.is_truthy(listed:find(("%s/%s\n"):format(name, path), 1, true), path)
        end
        assert.is_nil(listed:find("libc%.so"))
        assert.are.same({ "./bin/kmirror" }, lines(output("sh", "-c", "cd " .. root .. "/" .. name
            .. " && find . -type f -perm /111")))
    end)

    it("fails over in the sandbox where there is only glibc, not even a shell", function()
        if lacks_namespaces() then return pending(lacks_namespaces()) end
        local result = there("run", "--sandbox", "--creating-seconds", "0", "--sync-seconds", "0", "failover")
        assert.are.equal(0, result.status, result.stderr)
        assert.matches('%[fence%] {.*"us%-west":"stopped"', result.stderr)
        assert.matches("24 of 24 new mirrors us-east -> us-west work", result.stdout, 1, true)
    end)

    it("runs a runbook as a job where there is only glibc", function()
        if lacks_namespaces() then return pending(lacks_namespaces()) end
        local result = there("run", "--sandbox", "--job", "night", "retune", "--latency", "60000")
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal("night\tdone", there("jobs").stdout:match("^(%S+\t%S+)"))
    end)

    it("reads regexes there, and knows the modules beside it, also for a runbook", function()
        if lacks_namespaces() then return pending(lacks_namespaces()) end
        local result = there("-e", [[
            print(require "kmirror.regex".select("a.*", { "ab", "b" })[1])
            print((pcall(require, "busted.runner")), (pcall(require, "rex_pcre2")))]])
        assert.are.equal("ab\ntrue\ttrue\n", result.stdout, result.stderr)
    end)

    it("trusts the certificates of the system where that is not Debian", function()
        if lacks_namespaces() then return pending(lacks_namespaces()) end
        local server = support.server { { body = [[{"mirrors":[]}]] }, tls = certificates.good }
        local result = run_there({ "/" .. name .. "/bin/kmirror", "list" }, { env = {
            KMIRROR_ENDPOINT = "https://127.0.0.1:" .. server.port, KMIRROR_CLUSTER = support.cluster,
            KMIRROR_USERNAME = "user", KMIRROR_API_KEY = "key",
        } })
        server:stop()
        assert.are.equal(0, result.status, result.stderr)
    end)
end)
