local support = require("spec.support")

local function realpath(path)
    local pipe <close> = assert(io.popen("realpath " .. support.quote(path)))
    return pipe:read("l")
end

local executable = realpath(support.executable)

-- A folder with these files: { ["books/tell.lua"] = "print(1)" }.
local function folder(files)
    local directory = support.temporary_directory("modules")
    for name, content in pairs(files) do
        local path = directory .. "/" .. name
        os.execute("mkdir -p " .. support.quote(path:match("^.*/")))
        support.write(path, content)
    end
    return directory
end

local function kmirror(directory, ...)
    local words = { ... }
    local options = type(words[#words]) == "table" and table.remove(words) or {}
    table.move(words, 1, #words, 1, options)
    options.directory, options.executable = directory, executable
    return support.run(options)
end

local planted = 'io.stderr:write("planted code ran\\n") os.exit(9)'

-- Whatever kmirror may load while it runs, in all places where Lua would look for it in a folder.
local function plant(prefix)
    local files = { ["book.lua"] = "print(require('kmirror.regex').select('a.*', { 'ab', 'b' })[1])" }
    for _, name in ipairs { "rex_pcre2", "DBI", "dbd/sqlite3", "argparse", "cjson", "host", "line", "kmirror/cli",
        "kmirror/regex", "mirrors", "task" } do
        files[prefix .. name .. ".lua"] = planted
        files[prefix .. name .. "/init.lua"] = planted
        files[prefix .. name .. ".so"] = "no library"
    end
    return folder(files)
end

local function untouched(result, status)
    assert.are.equal(status or 0, result.status, result.stderr)
    assert.is_nil(result.stderr:find("planted code ran", 1, true))
end

describe("kmirror's own modules", function()
    it("come neither from the current folder nor from beside the runbook", function()
        local place = plant("")
        untouched(kmirror(place, "version"))
        untouched(kmirror(place, "plan", "--sandbox", "-", { stdin = "{}" }), 2)
        untouched(kmirror(place, "jobs"))
        untouched(kmirror(place, "run", "--sandbox", "--job", "planted", "audit"))
        local own = kmirror(place, "run", "--sandbox", "--job", "planted-2", "./book.lua")
        untouched(own)
        assert.are.equal("ab\n", own.stdout)
        untouched(kmirror(place, "repl", "--sandbox", { stdin = "regex.select('a', { 'a' })\n" }))
    end)

    it("do not come from LUA_PATH and LUA_CPATH, nor from below the current folder", function()
        local place = plant("planted/")
        for _, prefix in ipairs { "./planted", "planted", place .. "/planted" } do
            local env = {
                LUA_PATH = prefix .. "/?.lua;" .. prefix .. "/?/init.lua", LUA_CPATH = prefix .. "/?.so",
                LUA_PATH_5_4 = prefix .. "/?.lua;;", LUA_CPATH_5_4 = prefix .. "/?.so;;",
            }
            local own = kmirror(place, "run", "--sandbox", "--job", "path", "./book.lua", { env = env })
            untouched(own)
            assert.are.equal("ab\n", own.stdout)
            untouched(kmirror(place, "run", "audit", "--help", { env = env }))
        end
    end)

    it("are found by kmirror whatever a runbook makes of its own require()", function()
        local result = kmirror(folder({}), "run", "--sandbox", "--world", "small", "-", { stdin = [[
            local connect, bulk, regex = require("mirrors").connect, require("kmirror.bulk"), require("kmirror.regex")
            function require() error("not kmirror's") end
            package.path, package.cpath, package.searchers = "", "", {}
            bulk.each(connect {}:list(), function() end)
            print(#connect {}:list(), regex.select("a.*", { "ab", "b" })[1])]] })
        assert.are.equal("3\tab\n", result.stdout, result.stderr)
    end)
end)

describe("require in a runbook", function()
    local tell = "print(require('sibling').name, (require('sub.deep')))"

    local function books()
        return folder {
            ["books/tell.lua"] = tell, ["books/sibling.lua"] = "return { name = 'beside the runbook' }",
            ["books/sub/deep.lua"] = "return 'deep'",
            ["elsewhere/sibling.lua"] = "return { name = 'in the current folder' }",
        }
    end
    local expected = "beside the runbook\tdeep\n"

    it("finds what is beside the runbook, from any folder", function()
        local place = books()
        assert.are.equal(expected, kmirror(place .. "/elsewhere", "run", "../books/tell.lua").stdout)
        assert.are.equal(expected, kmirror(place .. "/books", "run", "tell.lua").stdout)
        assert.are.equal(expected, kmirror("/", "run", place .. "/books/tell.lua").stdout)
    end)

    it("finds it through links: to the runbook, to its folder, and to links", function()
        local place = books()
        os.execute(("cd %s && ln -s books linked && ln -s ../books/tell.lua elsewhere/one && mkdir bin && "
            .. "ln -s ../elsewhere/one bin/two"):format(support.quote(place)))
        for _, path in ipairs { "linked/tell.lua", "elsewhere/one", "bin/two" } do
            assert.are.equal(expected, kmirror(place, "run", path).stdout, path)
        end
    end)

    it("finds it beside the link when nothing is beside the runbook itself", function()
        local place = folder { ["store/tell.lua"] = "print((require('sibling')))",
            ["bin/sibling.lua"] = "return 'linked'" }
        os.execute(("ln -s ../store/tell.lua %s/bin/tell.lua"):format(place))
        assert.are.equal("linked\n", kmirror("/", "run", place .. "/bin/tell.lua").stdout)
    end)

    it("takes names that Lua's paths give a meaning to as they are", function()
        for _, name in ipairs { "what?", "a;b", "100%", "it's" } do
            local place = folder { [name .. "/tell.lua"] = "print((require('sibling')))",
                [name .. "/sibling.lua"] = "return 'here'" }
            assert.are.equal("here\n", kmirror("/", "run", place .. "/" .. name .. "/tell.lua").stdout, name)
        end
    end)

    it("finds a module there before one of the same name that only kmirror uses", function()
        local names = { "host", "line", "argparse", "cjson", "probe", "rex_pcre2", "DBI" }
        local files = { ["tell.lua"] = "for _, name in ipairs { ... } do print((require(name))) end" }
        for _, name in ipairs(names) do files[name .. ".lua"] = "return 'my " .. name .. "'" end
        local result = kmirror("/", "run", folder(files) .. "/tell.lua", table.unpack(names))
        assert.are.equal("my " .. table.concat(names, "\nmy ") .. "\n", result.stdout)
    end)

    it("has what is built in where nothing else has that name", function()
        local result = kmirror("/", "run", "-", { stdin = "print(type(require('argparse')), require('cjson')._NAME)" })
        assert.are.equal("table\tcjson\n", result.stdout, result.stderr)
    end)

    it("tells of one that cannot be loaded with its place, and with that of the require()", function()
        local files = { ["tell.lua"] = "\nlocal name = ...\nrequire(name)\n", ["broken.lua"] = "return {",
            ["wide.lua"] = "\xFF\xFEr\0e\0", ["marked.lua"] = "\xEF\xBB\xBF#!/usr/bin/lua\nprint 'marked'" }
        local place = folder(files)
        for name, said in pairs { broken = "/broken.lua:1: unexpected symbol near <eof>",
            wide = "/wide.lua is UTF-16; save it" } do
            local result = kmirror(place, "run", "tell.lua", name)
            assert.are.equal(1, result.status)
            local expected_start = ("kmirror: tell.lua:3: module '%s' cannot be loaded: "):format(name)
            assert.are.equal(expected_start, result.stderr:sub(1, #expected_start))
            assert.is_truthy(result.stderr:find(said, 1, true), result.stderr)
        end
        assert.are.equal("marked\n", kmirror(place, "run", "tell.lua", "marked").stdout)
        local piped = kmirror(place, "run", "-", { stdin = "require 'broken'" })
        assert.is_truthy(piped.stderr:find("no folder of a runbook to look into", 1, true), piped.stderr)
    end)

    it("does not look into the current folder", function()
        local place = folder { ["mine.lua"] = planted, ["mine.so"] = "no library", ["mine/init.lua"] = planted }
        for _, words in ipairs { { "run", "-" }, { "repl", "--sandbox" } } do
            words.stdin = "print(package.path:find('%.%f[/]') or package.cpath:find('%.%f[/]'))\nrequire 'mine'\n"
            local result = kmirror(place, table.unpack(words), words)
            untouched(result, 1)
            assert.are.equal("nil\n", result.stdout)
            assert.is_truthy(result.stderr:find("module 'mine' not found", 1, true))
        end
    end)

    it("has the folders of LUA_PATH, unless they are relative", function()
        local place = folder { ["lua/extra.lua"] = "return 'extra'", ["book.lua"] = "print((require('extra')))" }
        os.execute(("mkdir %s/books && mv %s/book.lua %s/books"):format(place, place, place))
        local function run(path)
            return kmirror(place, "run", "books/book.lua", { env = { LUA_PATH = path .. "/lua/?.lua;;" } })
        end
        assert.are.equal("extra\n", run(place).stdout)
        assert.are.equal(1, run(".").status)
    end)

    it("looks in a session beside a file that was loaded", function()
        local place = books()
        local result = kmirror("/", "repl", "--sandbox", { stdin = ":load " .. place .. "/books/tell.lua\n" })
        assert.are.equal(expected, result.stdout, result.stderr)
    end)
end)
