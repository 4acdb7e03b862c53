--- The world of a sandbox in a file, from one run to the next: all of it when the sandbox begins; behind it, in
--- FILE.log, a line for each change since, so that one costs the same however many mirrors there are.

local host = require("host")
local memory = require("kmirror.memory")

local M = {}

-- Notes of another file that had the same name are not of this one.
local function is_of(state, note)
    return type(note) == "table" and note.of ~= nil and note.of == state.kept_as
end

-- The mirrors of all clusters, in order, each where a later note finds it.
local function places_of(connects)
    local lists, places = {}, {}
    for connect_id, mirrors in pairs(connects) do
        lists[connect_id] = mirrors
        for i, mirror in ipairs(mirrors) do places[mirror.id] = { connect_id, i } end
    end
    return lists, places
end

local function apply(state, lists, places, note)
    for name, value in pairs(note.all) do state[name] = value end
    local place = note.id and places[note.id]
    if note.id and not note.mirror then
        if place then lists[place[1]][place[2]] = false end
    elseif note.id and place then
        lists[place[1]][place[2]] = note.mirror
    elseif note.id then
        local list = lists[note.connect] or {}
        list[#list + 1], lists[note.connect], places[note.id] = note.mirror, list, { note.connect, #list + 1 }
    end
end

local function without_gone(list)
    local left = {}
    for _, mirror in ipairs(list) do left[#left + 1] = mirror or nil end
    return left
end

--- What a file holds, with what has changed since.
---@param path string
---@return table|nil state for world.new(); nil when there is no file
---Raises why it cannot be read.
function M.read(path)
    local file <close> = io.open(path, "rb")
    if not file then return nil end
    local state, notes = memory.read(path)
    if type(state) ~= "table" then error("it is not a JSON object", 0) end
    if type(state.connects) ~= "table" then return state end
    local lists, places = places_of(state.connects)
    for _, note in ipairs(notes) do
        if is_of(state, note) then apply(state, lists, places, note) end
    end
    for connect_id, list in pairs(lists) do state.connects[connect_id] = without_gone(list) end
    return state
end

--- Writes all of a world.
---@param path string
---@param world kmirror.sandbox.world
---@return fun(id: string|nil) note writes down that a mirror has changed, or something else than a mirror
---Raises why it cannot be written, as the note does.
function M.keep(path, world)
    local state = world:state()
    state.kept_as = ("%016x"):format(string.unpack("j", host.random(8)))
    memory.write(path, state)
    return function(id)
        local note = { of = state.kept_as, all = world:state_of_all(), id = id }
        if id then note.connect, note.mirror = world:state_of(id) end
        memory.note(path, note)
    end
end

return M
