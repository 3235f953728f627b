# Loads the image of packages' methods into a running Julia: `PackageImage.load(FILE)`, once the packages are loaded.
#
# Each method is taken only if it is what it was when the image was made, together with all that its code goes by; what is
# refused is compiled by Julia when it is called, as without the image.
module PackageImage

# Each function here runs once or a few times in a process: what compiles fast is best.
Base.Experimental.@optlevel 0

using Libdl

include("record.jl")

"Why something of the image cannot be used here; made a text only where somebody reads it, as that takes long to compile."
struct Refused
    parts::Vector{Any}
end

Refused(parts...) = Refused(Any[parts...])
reason(refused::Refused) = join(map(part -> part isa Refused ? reason(part) : string(part), refused.parts))

"What `load` did; `refused` has the types that a method's code is for, and the reason."
struct Loaded
    file::String
    installed::Int
    present::Int
    refused::Vector{Pair{Any,String}}
end

# The reader: a position in the words. Operands of a node are read where it stands.
mutable struct Reader
    words::Ptr{Int32}
    text::Ptr{UInt8}
    at::Int
    nodes::Vector{Any}
    files::Dict{String,Int32}
end

# What the code of images uses, for as long as this process lives.
const kept = Any[]

"""
    load(file)

Installs the code of all methods of an image that are still what they were.
"""
function load(file::String)
    check_whole(file)
    image = dlopen(abspath(file))
    reader = open_record(image, file)
    read_nodes!(reader)
    data = numbers!(reader)
    edges = read_edges!(reader)
    methods = read_methods!(reader)
    refusals = refuse(reader, data, edges, methods)
    give_thread_state(image)
    fill_data(image, reader, data)
    installed, present = install(image, reader, edges, methods, refusals)
    push!(kept, reader.nodes)
    refused = Pair{Any,String}[]
    for i in 1:length(methods)
        refusals[i] === nothing || push!(refused, value(reader, methods[i].types) => reason(refusals[i]))
    end
    Loaded(file, installed, present, refused)
end

"The dynamic linker maps a file that was cut short as if it were whole, and ends with a signal where it is not."
function check_whole(file)
    isfile(file) || error("$file is not there")
    size = filesize(file)
    head = open(io -> read(io, 64), file)
    length(head) == 64 && head[1:5] == [0x7f, UInt8('E'), UInt8('L'), UInt8('F'), 0x02] ||
        error("$file is no 64-bit ELF file, as images of packages are")
    # The table of sections is the last thing in what linkers write.
    at(offset, type) = reinterpret(type, head[offset+1:offset+sizeof(type)])[1]
    needed = at(0x28, UInt64) + UInt64(at(0x3a, UInt16)) * at(0x3c, UInt16)
    needed <= size || error("$file was cut short: it has $size bytes, and should have at least $needed; copy or build it again")
end

function open_record(image, file)
    start = dlsym(image, RECORD_SYMBOL; throw_error=false)
    start === nothing && error("$file has no $RECORD_SYMBOL: it is no image of a package")
    header = Ptr{Int32}(start)
    format, words = unsafe_load(header, 1), unsafe_load(header, 2)
    format == FORMAT || error("$file has a record of format $format, and this loader reads $FORMAT")
    # Base's machine code may differ, what it is made from may not: methods of Base are not compared one by one.
    id = UInt64(unsafe_load(header, 4) % UInt32) | UInt64(unsafe_load(header, 5) % UInt32) << 32
    here = Base.module_build_id(Base)
    id == here || error("$file was made for the state of Julia with build id $id of Base, and this one has $here")
    Reader(header + 12, Ptr{UInt8}(start) + 12 + 4 * words, 2, Any[], Dict{String,Int32}())
end

function next!(r::Reader)
    r.at += 1
    Int(unsafe_load(r.words, r.at))
end

function numbers!(r::Reader)
    count = next!(r)
    list = Vector{Int}(undef, count)
    for i in 1:count
        list[i] = next!(r)
    end
    list
end

text(r::Reader, operands) = unsafe_string(r.text + operands[1], operands[2])
value(r::Reader, node) = r.nodes[node]

function read_nodes!(r::Reader)
    for _ in 1:next!(r)
        kind = next!(r)
        operands = numbers!(r)
        push!(r.nodes, node(r, kind, operands))
    end
end

"The value of a node, or a `Refused`."
function node(r::Reader, kind, operands)
    kind == SYMBOL && return Symbol(text(r, operands))
    kind == STRING && return text(r, operands)
    try
        made(r, kind, operands)
    catch error
        error isa Refused ? error : Refused(error)
    end
end

"The value of a node's operand, for a node that is nothing without it."
function needed(r::Reader, operand)
    x = value(r, operand)
    x isa Refused && throw(x)
    x
end

function made(r::Reader, kind, operands)
    kind == BITS && return bits(needed(r, operands[1]), r.text + operands[2])
    kind == METHOD && return find_method(r, operands)
    kind == ROOT && return root_module(needed(r, operands[1]), operands[2] == 0 ? nothing : needed(r, operands[2]))
    kind == LITERAL && return literal(needed(r, operands[1]), operands[2], needed(r, operands[3]))
    kind == BODY && return find_body(needed(r, operands[1]), needed(r, operands[2]), operands[3])
    kind == TYPE_NAME && return Base.unwrap_unionall(needed(r, operands[1])).name
    kind == SINGLETON && return needed(r, operands[1]).instance
    rest = Any[needed(r, operand) for operand in operands]
    kind == MEMBER && return member(rest[1], rest[2])
    kind == APPLY && return Core.apply_type(rest...)
    kind == VARIABLE && return TypeVar(rest[1], rest[2], rest[3])
    kind == UNIONALL && return UnionAll(rest[1], rest[2])
    kind == UNION && return Core.apply_type(Union, rest...)
    kind == VECTOR && return Core.svec(rest...)
    kind == EXPRESSION && return expression(rest)
    kind == STRUCT && return struct_of(rest[1], rest[2:end])
    kind == INSTANCE && return Core.Compiler.specialize_method(rest[1], rest[2], rest[3])
    kind == BINDING && return ccall(:jl_get_binding, Ptr{Cvoid}, (Any, Any), rest[1], rest[2])
    throw(Refused("a node of kind ", kind, ", which this loader does not know"))
end

function root_module(name, uuid)
    name == "Core" && return Core
    id = Base.PkgId(uuid === nothing ? nothing : Base.UUID(uuid), name)
    haskey(Base.loaded_modules, id) || throw(Refused("package ", name, " is not loaded"))
    Base.loaded_modules[id]
end

function member(parent, name)
    isdefined(parent, name) || throw(Refused(parent, " has no ", name))
    getfield(parent, name)
end

bits(type, bytes) = ccall(:jl_new_bits, Any, (Any, Ptr{UInt8}), type, bytes)
expression(parts) = (e = Expr(parts[1]); append!(e.args, parts[2:end]); e)
struct_of(type, fields) = ccall(:jl_new_structv, Any, (Any, Ptr{Any}, UInt32), type, fields, length(fields))

function literal(method, index, type)
    isdefined(method, :roots) && index <= length(method.roots) && typeof(method.roots[index]) === type ||
        throw(Refused(method.name, " of ", method.module, " has other literals"))
    method.roots[index]
end

"The method with this signature, if it comes from the same place."
function find_method(r::Reader, operands)
    signature, parent, file = needed(r, operands[1]), needed(r, operands[2]), needed(r, operands[3])
    method = nothing
    for match in Base._methods_by_ftype(signature, -1, Base.get_world_counter())
        match[3].sig == signature && (method = match[3])
    end
    method === nothing && throw(Refused("there is no method for ", signature))
    method.module === parent && String(method.file) == file && method.line == operands[4] ||
        throw(Refused("the method for ", signature, " is another one, from ", method.file, ":", method.line))
    operands[5] == 0 || operands[5] == file_checksum(r, file) ||
        throw(Refused(file, " has changed"))
    operands[6] == 0 || operands[6] == checksum(method.source) ||
        throw(Refused("the code of the method for ", signature, " has changed"))
    method
end

checksum(bytes) = Int(reinterpret(Int32, Base._crc32c(bytes)))

function file_checksum(r::Reader, file)
    haskey(r.files, file) || (r.files[file] = isfile(file) ? checksum(read(file)) : 0)
    Int(r.files[file])
end

"Code that is valid from now on, or nothing."
function valid_code(instance)
    isdefined(instance, :cache) || return nothing
    code = instance.cache
    while true
        code.max_world == typemax(UInt) && return code
        isdefined(code, :next) || return nothing
        code = code.next
    end
end

"The address of code that another image has."
function find_body(instance, type, array)
    code = valid_code(instance)
    code !== nothing && code.specptr != C_NULL ||
        throw(Refused(instance, ", which is called, has no code in this base image"))
    code.rettype === type && takes_array(code) == (array != 0) ||
        throw(Refused(instance, ", which is called, has another interface"))
    code.specptr
end

"Whether code takes its arguments as an array, as Julia's runtime passes them."
takes_array(code) = code.invoke == cglobal(:jl_fptr_args) || code.invoke == cglobal(:jl_fptr_sparam)

struct Edge
    kind::Int
    signature::Int
    callee::Int
    methods::Vector{Int}
end

read_edges!(r::Reader) = Edge[Edge(next!(r), next!(r), next!(r), numbers!(r)) for _ in 1:next!(r)]

struct Code
    instance::Int
    types::Int
    type::Int
    constant::Int
    invoke::Int
    specialised::Int
    data::Vector{Int}
    calls::Vector{Int}
    edges::Vector{Int}
end

read_methods!(r::Reader) = Code[Code(next!(r), next!(r), next!(r), next!(r), next!(r), next!(r), numbers!(r),
                                     numbers!(r), numbers!(r)) for _ in 1:next!(r)]

"For each method why it is refused, or nothing. A refusal holds for all that call it."
function refuse(r::Reader, data, edges, methods)
    broken = Any[broken_edge(r, edge) for edge in edges]
    refusals = Any[refusal(r, data, broken, code) for code in methods]
    changed = any(x -> x !== nothing, refusals)
    while changed
        changed = false
        for i in 1:length(methods)
            refusals[i] === nothing || continue
            for callee in methods[i].calls
                if refusals[callee] !== nothing
                    refusals[i] = Refused("calls ", value(r, methods[callee].types), ": ", refusals[callee])
                    changed = true
                    break
                end
            end
        end
    end
    refusals
end

function refusal(r::Reader, data, broken, code)
    for node in (code.instance, code.type)
        value(r, node) isa Refused && return value(r, node)
    end
    for number in code.data
        value(r, data[number]) isa Refused && return value(r, data[number])
    end
    for number in code.edges
        broken[number] === nothing || return broken[number]
    end
    nothing
end

"Why a call might now lead elsewhere, or nothing."
function broken_edge(r::Reader, edge)
    signature = value(r, edge.signature)
    signature isa Refused && return signature
    matches = Base._methods_by_ftype(signature, -1, Base.get_world_counter())
    length(matches) == length(edge.methods) ||
        return Refused(signature, " now finds ", length(matches), " methods, and found ", length(edge.methods))
    for match in matches
        any(node -> value(r, node) === match[3], edge.methods) ||
            return Refused(signature, " now finds ", match[3])
    end
    edge.kind == MAY_FAIL && return nothing
    callee = value(r, edge.callee)
    callee isa Refused && return callee
    edge.kind == CALLS_BASE && valid_code(callee) === nothing ? Refused("the code of ", callee, " is out of date") : nothing
end

"Julia's variables by which code finds the state of its thread, as the base image has them."
function give_thread_state(image)
    base = dlopen(unsafe_string(Base.JLOptions().image_file))
    for name in ("jl_get_ptls_states_slot", "jl_tls_offset")
        unsafe_store!(Ptr{UInt}(dlsym(image, name)), unsafe_load(Ptr{UInt}(dlsym(base, name))))
    end
end

"An entry of one of Julia's tables for images."
entry(base, offsets, number) = base + unsafe_load(offsets, number + 1)
table(image, name) = dlsym(image, "$(name)_base"), Ptr{Int32}(dlsym(image, "$(name)_offsets"))

function fill_data(image, r::Reader, data)
    base, offsets = table(image, "jl_sysimg_gvars")
    for i in 1:length(data)
        x = value(r, data[i])
        x isa Refused || unsafe_store!(Ptr{Ptr{Cvoid}}(entry(base, offsets, i)), address(x))
    end
end

# Addresses of bindings and of code stand for themselves; no other pointer but null is ever in a record.
address(@nospecialize(x)) = x isa Ptr{Cvoid} && x != C_NULL ? x : object(x)
# Not specialised: a value that is passed without its box would be boxed anew.
object(@nospecialize(x)) = ccall(:jl_value_ptr, Ptr{Cvoid}, (Any,), x)

function install(image, r::Reader, edges, methods, refusals)
    base, offsets = table(image, "jl_sysimg_fvars")
    installed = present = 0
    for i in 1:length(methods)
        refusals[i] === nothing || continue
        code = methods[i]
        instance = value(r, code.instance)
        if has_code(instance)
            present += 1
            continue
        end
        constant = code.constant == 0 ? nothing : value(r, code.constant)
        fresh = new_code(instance, value(r, code.type), constant, code.constant != 0 && !(constant isa Refused))
        invoke = code.invoke > 0 ? entry(base, offsets, code.invoke) : runtime(code.invoke)
        specialised = code.specialised > 0 ? entry(base, offsets, code.specialised) : C_NULL
        give_code(fresh, invoke, specialised, code.invoke > 0 && code.specialised > 0)
        for number in code.edges
            add_edge(r, edges[number], instance)
        end
        installed += 1
    end
    installed, present
end

has_code(instance) = (code = valid_code(instance); code !== nothing && code.invoke != C_NULL)

runtime(invoke) = invoke == ENTRY_ARGS ? cglobal(:jl_fptr_args) : cglobal(:jl_fptr_sparam)

"A code instance without code, valid from now on until what it goes by changes."
function new_code(instance, type, constant, has_constant)
    ccall(:jl_set_method_inferred, Any, (Any, Any, Any, Any, Int32, UInt, UInt), instance, type, constant, nothing,
          has_constant ? 2 : 0, Base.get_world_counter(), typemax(UInt))
end

function give_code(code, invoke, specialised, own_signature)
    at(name) = object(code) + fieldoffset(Core.CodeInstance, Base.fieldindex(Core.CodeInstance, name))
    unsafe_store!(Ptr{Ptr{Cvoid}}(at(:specptr)), specialised)
    unsafe_store!(Ptr{UInt8}(at(:isspecsig)), own_signature ? 0x01 : 0x00)
    # Last: who finds this set calls it.
    unsafe_store!(Ptr{Ptr{Cvoid}}(at(:invoke)), invoke)
end

"Has Julia end the code's validity when the call may lead elsewhere."
function add_edge(r::Reader, edge, caller)
    if edge.kind != MAY_FAIL
        ccall(:jl_method_instance_add_backedge, Cvoid, (Any, Any), value(r, edge.callee), caller)
    else
        signature = value(r, edge.signature)
        type = Base.unwrap_unionall(Base.unwrap_unionall(signature).parameters[1])
        ccall(:jl_method_table_add_backedge, Cvoid, (Any, Any, Any), type.name.mt, signature, caller)
    end
end

# What is inferred when this package is precompiled need not be inferred in each process.
precompile(load, (String,))

end
