-- Wireshark dissector for sluice on the wire: TCP segments in frames inside UDP.
--
--   tshark -X lua_script:sluice.lua -r wire.pcapng
--   Wireshark: Help > About > Folders > Personal Lua Plugins, put the file there.
--
-- A frame is four bytes and a body: 0x0a, version and kind, the body's length. A datagram holds one or more of them. It is found by
-- these marks on every UDP port; Decode As (udp.port, SLUICE) forces it. Each segment goes to Wireshark's own TCP dissector, so that
-- streams, analysis and everything above TCP work as they do for plain TCP.

local sluice = Proto("sluice", "sluice: TCP inside UDP")

local MAGIC = 0x0a
local VERSION = 1
local SHIM = 4
local KINDS = { [0] = "TCP segment", [1] = "Path probe", [2] = "Path probe reply" }
local SHORTEST_SEGMENT = 20

local fields = {
  magic = ProtoField.uint8("sluice.magic", "Magic", base.HEX),
  version = ProtoField.uint8("sluice.version", "Version", base.DEC, nil, 0xf0),
  kind = ProtoField.uint8("sluice.kind", "Kind", base.DEC, KINDS, 0x0f),
  length = ProtoField.uint16("sluice.length", "Length"),
  token = ProtoField.bytes("sluice.token", "Token"),
}
sluice.fields = fields

local faults = {
  bad = ProtoExpert.new("sluice.bad", "Not a frame: the rest of the datagram is dropped", expert.group.MALFORMED, expert.severity.ERROR),
}
sluice.experts = faults

local tcp = Dissector.get("tcp")

-- Body's length if a whole frame begins at `at`, else nil.
local function frame_at(tvb, at)
  if tvb:len() - at < SHIM then return nil end
  if tvb(at, 1):uint() ~= MAGIC then return nil end
  local kind = tvb(at + 1, 1):uint()
  if math.floor(kind / 16) ~= VERSION or KINDS[kind % 16] == nil then return nil end
  local length = tvb(at + 2, 2):uint()
  if at + SHIM + length > tvb:len() then return nil end
  return length, kind % 16
end

function sluice.dissector(tvb, pinfo, root)
  local at = 0
  local frames = 0
  while at < tvb:len() do
    local length, kind = frame_at(tvb, at)
    if length == nil then
      if frames == 0 then return 0 end
      root:add(sluice, tvb(at)):add_proto_expert_info(faults.bad)
      break
    end
    local tree = root:add(sluice, tvb(at, SHIM), "sluice frame: " .. KINDS[kind] .. ", " .. length .. " bytes")
    tree:add(fields.magic, tvb(at, 1))
    tree:add(fields.version, tvb(at + 1, 1))
    tree:add(fields.kind, tvb(at + 1, 1))
    tree:add(fields.length, tvb(at + 2, 2))
    local body = at + SHIM
    if kind == 0 and length >= SHORTEST_SEGMENT then
      -- Each dissection of TCP writes the columns anew; a fence keeps what the frames before have written.
      if frames > 0 then pinfo.cols.info:fence() end
      tcp:call(tvb(body, length):tvb(), pinfo, root)
    else
      if frames == 0 then pinfo.cols.protocol:set("SLUICE") end
      if frames == 0 then pinfo.cols.info:set(KINDS[kind]) end
      if length >= 8 then tree:add(fields.token, tvb(body, 8)) end
    end
    at = body + length
    frames = frames + 1
  end
  return tvb:len()
end

local function heuristic(tvb, pinfo, root)
  local length, kind = frame_at(tvb, 0)
  if length == nil then return false end
  if kind == 0 and length < SHORTEST_SEGMENT then return false end
  pinfo.conversation = sluice
  sluice.dissector(tvb, pinfo, root)
  return true
end

sluice:register_heuristic("udp", heuristic)
-- For Decode As.
DissectorTable.get("udp.port"):add_for_decode_as(sluice)
