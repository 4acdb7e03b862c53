-- rooms: which part of kmirror needs which other one, read from the `require`s of all Lua files and the `#include`s of
-- the C. `make rooms` prints it by floors, the top first, and fails on what may not be.
--
-- A room of the library is a file of lib/kmirror, or a folder with the file of its name: others may require
-- "kmirror.fleet", but not "kmirror.fleet.plan", which is inside. A room of the runtime is a name: task.c, task.h and
-- task.lua; x_y.h belongs to x. Each script is a room, and so is each folder that makes documentation.

local rooms = {}

-- From the top to the ground. A room needs only what stands on its own floor or below, and nothing that needs it.
rooms.floors = {
    { "programs", [[ scripts/* runtime/main lib/man lib/types lib/pictures ]] },
    { "the command line", [[ cli ]] },
    { "rooms of commands", [[ check doctor repl report sandbox test ]] },
    { "runbooks' engines", [[ failover rollout ]] },
    { "mirrors", [[ findings fleet live loops selection ]] },
    { "work", [[ bulk ends health hooks http lifecycle progress screen steps uncaught wait ]] },
    { "jobs", [[ approval history job jobs joint journal memory quota store ]] },
    { "this run", [[ again changes config confirm connect ended events limits log profile properties secrets state
        successor summary ]] },
    { "texts and values", [[ annotations batches connector csv file json literal modules moment naming options order
        problem program regex sensitive shell sparkline table terminal text textfile usage ]] },
    { "C of single commands: the sandbox's server, the prompt, doctor", [[ runtime/httpd runtime/keys runtime/line
        runtime/probe runtime/terminal runtime/turn ]] },
    { "native modules", [[ runtime/fetch runtime/host runtime/mirrors runtime/outcome runtime/outfile runtime/postgres
        runtime/sharing runtime/task ]] },
    { "parts of mirrors", [[ runtime/connect runtime/connects runtime/failure runtime/fields runtime/heartbeats
        runtime/key runtime/meant runtime/network runtime/options runtime/outage runtime/properties runtime/reconcile
        runtime/retry runtime/rotation runtime/secret runtime/several runtime/specification runtime/uuid runtime/v1
        runtime/v2 runtime/wire ]] },
    { "tasks, errors, embedded files", [[ runtime/alarm runtime/child runtime/chunk runtime/computing
        runtime/error runtime/exit runtime/files runtime/group runtime/operations runtime/result runtime/scheduler ]] },
    { "ground, mostly plain C", [[ runtime/* ]] },
}

-- ---- reading ----------------------------------------------------------------------------------------------

---@class rooms.arrow
---@field from string room
---@field to string room
---@field file string that has it
---@field inside? string the module of `to` that it leads to
---@field leads_to? string a file of the library; then it may be one of the same room

local native = {}
for name in ("fetch host httpd line mirrors outfile postgres probe sharing task"):gmatch("%l+") do
    native[name] = "runtime/" .. name
end

local function room_of(path)
    return path:match("^lib/kmirror/([%w_]+)") or path:match("^(lib/[%w_]+)/") or path:match("^(runtime/%l%w*)")
        or path:match("^scripts/.*%.lua$") and path:gsub("%.lua$", "")
end

local function without_comments(path, source)
    if path:find("%.lua$") then return (source:gsub("%-%-[^\n]*", "")) end
    return (source:gsub("/%*.-%*/", ""))
end

-- The rooms that a file needs, and what it needs of their inside.
local function needs(path, source)
    local found = {}
    local function add(to, inside, leads_to)
        if to and (to ~= room_of(path) or leads_to) then
            found[#found + 1] = { from = room_of(path), to = to, file = path, inside = inside, leads_to = leads_to }
        end
    end
    for name in source:gmatch('#include "(%l%w*)[%w_]*%.h"') do add("runtime/" .. name) end
    for module in source:gmatch('require%s*%(?%s*"([^"]+)"') do
        local name, inside = module:match("^kmirror%.([%w_]+)%.?(.*)$")
        add(name or native[module], name ~= room_of(path) and inside ~= "" and inside or nil,
            name and "lib/" .. module:gsub("%.", "/") .. ".lua")
    end
    if path:find("^runtime/") then
        for name in source:gmatch('"runtime/(%l%w*)[%w_]*%.lua"') do add("runtime/" .. name) end
    end
    return found
end

--- All rooms, with how many lines they have, and the arrows between them.
---@return table<string, integer>
---@return rooms.arrow[]
function rooms.read()
    local lines, arrows = {}, {}
    local files <close> = assert(io.popen("find lib runtime scripts -name '*.lua' -o -name '*.[ch]' | LC_ALL=C sort"))
    for path in files:lines() do
        local file <close> = assert(io.open(path, "rb"))
        local source = file:read("a")
        local _, count = source:gsub("\n", "")
        lines[room_of(path)] = (lines[room_of(path)] or 0) + count
        assert(not path:find("/init%.lua$"), path .. ": the file of a folder lies beside it: x.lua and x/")
        local its = needs(path, without_comments(path, source))
        table.move(its, 1, #its, #arrows + 1, arrows)
    end
    return lines, arrows
end

-- ---- judging ----------------------------------------------------------------------------------------------

-- The rooms of each floor by name; "x/*" are those that no floor names.
local function floors_of(lines)
    local floors, problems = {}, {}
    local function place(floor, name)
        local stem = name:match("^(.*)%*$")
        for room in pairs(lines) do
            if room == name or stem and not floors[room] and room:sub(1, #stem) == stem then
                floors[room] = floor
            end
        end
        if not (stem or lines[name]) then
            problems[#problems + 1] = ("%s stands on the floor '%s', but is no room"):format(name,
                rooms.floors[floor][1])
        end
    end
    for _, kind in ipairs({ "^[^*]+$", "%*$" }) do
        for floor, each in ipairs(rooms.floors) do
            for name in each[2]:gmatch("%S+") do
                if name:find(kind) then place(floor, name) end
            end
        end
    end
    for room in pairs(lines) do
        if not floors[room] then
            problems[#problems + 1] = ("%s has no floor: give it one in spec/support/rooms.lua"):format(room)
        end
    end
    return floors, problems
end

-- What is needed by each room, or by each file of the library.
local function needed_by(arrows, of_files)
    local needed = {}
    for _, arrow in ipairs(arrows) do
        local from, to = arrow.from, arrow.to
        if of_files then from, to = arrow.file, arrow.leads_to end
        if to and from ~= to then
            needed[from] = needed[from] or {}
            needed[from][to] = true
        end
    end
    return needed
end

-- The rooms in their order, and the way from a room back to itself, if there is one.
local function find_circle(needed)
    local state, way, circle = {}, {}, nil
    local function visit(room)
        if circle or state[room] == "done" then return end
        way[#way + 1] = room
        if state[room] then
            circle = table.concat(way, " -> "):match(".*(%f[%w/_]" .. room:gsub("%p", "%%%0") .. " %->.*)$")
            return
        end
        state[room] = "open"
        for to in pairs(needed[room] or {}) do visit(to) end
        state[room] = "done"
        table.remove(way)
    end
    for room in pairs(needed) do visit(room) end
    return circle
end

--- What may not be.
---@param lines table<string, integer>
---@param arrows rooms.arrow[]
---@return string[]
function rooms.problems(lines, arrows)
    local floors, problems = floors_of(lines)
    for _, arrow in ipairs(arrows) do
        if (floors[arrow.from] or 0) > (floors[arrow.to] or math.huge) then
            problems[#problems + 1] = ("%s: %s needs %s, which is above it"):format(arrow.file, arrow.from, arrow.to)
        end
        if arrow.inside then
            problems[#problems + 1] = ("%s -> %s.%s is its inside: require kmirror.%s"):format(arrow.file, arrow.to,
                arrow.inside, arrow.to)
        end
    end
    for _, of_files in ipairs({ false, true }) do
        local circle = find_circle(needed_by(arrows, of_files))
        problems[#problems + 1] = circle and "a circle: " .. circle
    end
    table.sort(problems)
    return problems
end

-- ---- showing ----------------------------------------------------------------------------------------------

local function sorted(set, but)
    local names = {}
    for name in pairs(set) do
        if name ~= but then names[#names + 1] = name end
    end
    table.sort(names)
    return names
end

-- A list of words in lines of at most 120 columns, from `column` on.
local function wrapped(words, column)
    local lines, line = {}, ""
    for _, word in ipairs(words) do
        if #line + #word + 1 + column > 120 then lines[#lines + 1], line = line, "" end
        line = line .. (line == "" and "" or " ") .. word
    end
    lines[#lines + 1] = line
    return table.concat(lines, "\n" .. (" "):rep(column))
end

--- The graph, floor by floor: each room with its lines, and what it needs.
---@param lines table<string, integer>
---@param arrows rooms.arrow[]
---@return string
function rooms.shown(lines, arrows)
    local floors, needed, text = floors_of(lines), needed_by(arrows), {}
    for floor, each in ipairs(rooms.floors) do
        text[#text + 1] = each[1]
        for _, room in ipairs(sorted(lines)) do
            if floors[room] == floor then
                text[#text + 1] = ("  %-22s %5d  %s"):format(room, lines[room], wrapped(sorted(needed[room] or {}), 32))
            end
        end
    end
    return table.concat(text, "\n")
end

-- Run as a program, not by a spec.
if arg and arg[0] and arg[0]:find("support/rooms%.lua$") then
    local lines, arrows = rooms.read()
    print(rooms.shown(lines, arrows))
    local problems = rooms.problems(lines, arrows)
    for _, problem in ipairs(problems) do print("rooms: " .. problem) end
    print(("%d rooms, %d arrows, %d problems"):format(#sorted(lines), #arrows, #problems))
    os.exit(#problems == 0)
end

return rooms
