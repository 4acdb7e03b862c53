-- rooms: which part of kmirror needs which other one. Read from the `require`s of all Lua files and the `#include`s of the
-- C, it is shown by floors (`make rooms`), and rooms_spec.lua fails on a room without a floor, an arrow that points up, a
-- circle, and a require of another room's inside.
--
-- A room is a file of lib/kmirror or a folder there, a name in runtime/ (x.c, x.h and x.lua are one room), or a script.
-- Its inside is what lies in its folder: `kmirror.fleet.plan` is for the files of `fleet` alone.

local rooms = {}

-- From the top to the bottom: an arrow points down, or to a room of the same floor as long as that makes no circle.
rooms.floors = {
    { "the program", "main" },
}

-- Modules in C that are known to Lua by another name.
local natives = { rex_pcre2 = false, cjson = false, argparse = false, ["cjson.safe"] = false, DBI = false }

local function read(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read("a")
end

local function files_of(folders)
    local list <close>, files = assert(io.popen("find " .. folders .. " -name '*.lua' -o -name '*.[ch]' | sort")), {}
    for path in list:lines() do files[#files + 1] = path end
    return files
end

local function room_of_path(path)
    return path:match("^lib/kmirror/([%w_]+)") or path:match("^runtime/([%w_]+)") or path:match("^([%w_]+)/")
end
