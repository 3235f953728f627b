# Writes values down so that another process finds them: by name, or by what they are made of.

"A value that has no name and cannot be made again, such as an array that a constant holds."
struct Unnameable <: Exception
    what::String
end

mutable struct Writer
    nodes::Vector{Int32}
    count::Int
    text::Vector{UInt8}
    known::IdDict{Any,Int}
    strings::Dict{String,Tuple{Int,Int}}
    base::Set{Module}       # roots that the base image has
    files::Dict{String,Int32}
    globals::IdDict{Any,Tuple}
    literals::IdDict{Any,Tuple{Method,Int}}
end

Writer(base) = Writer(Int32[], 0, UInt8[], IdDict(), Dict(), base, Dict(), IdDict(), IdDict())

function node!(w::Writer, kind, operands...)
    push!(w.nodes, kind, Int32(length(operands)))
    for operand in operands
        push!(w.nodes, reinterpret(Int32, operand % UInt32))
    end
    w.count += 1
end

function text!(w::Writer, bytes::String)
    get!(w.strings, bytes) do
        append!(w.text, codeunits(bytes))
        (length(w.text) - sizeof(bytes), sizeof(bytes))
    end
end

"The node of a value. Throws Unnameable."
reference(w::Writer, @nospecialize(x)) = get!(() -> describe(w, x), w.known, x)

describe(w::Writer, x::Symbol) = node!(w, SYMBOL, text!(w, String(x))...)
describe(w::Writer, x::String) = node!(w, STRING, text!(w, x)...)
describe(w::Writer, x::Core.SimpleVector) = node!(w, VECTOR, [reference(w, e) for e in x]...)
describe(w::Writer, x::Expr) = node!(w, EXPRESSION, reference(w, x.head), [reference(w, e) for e in x.args]...)
describe(w::Writer, x::TypeVar) =
    node!(w, VARIABLE, reference(w, x.name), reference(w, x.lb), reference(w, x.ub))
describe(w::Writer, x::Union) = node!(w, UNION, [reference(w, t) for t in Base.uniontypes(x)]...)

function describe(w::Writer, x::Module)
    if parentmodule(x) === x || x === Base
        id = Base.PkgId(x)
        uuid = id.uuid === nothing ? 0 : reference(w, string(id.uuid))
        return node!(w, ROOT, reference(w, String(nameof(x))), uuid)
    end
    member(w, parentmodule(x), nameof(x), x)
end

function member(w::Writer, m::Module, name::Symbol, @nospecialize(x))
    isdefined(m, name) && getfield(m, name) === x || throw(Unnameable("$m.$name is something else"))
    node!(w, MEMBER, reference(w, m), reference(w, name))
end

"What a constant of a module holds, or a field of it."
held(w::Writer, m::Module, name) = member(w, m, name, getfield(m, name))
held(w::Writer, m::Module, name, field) = node!(w, MEMBER, held(w, m, name), reference(w, field))

function describe(w::Writer, x::UnionAll)
    body = Base.unwrap_unionall(x)
    if body isa DataType && body.name.wrapper === x
        return member(w, body.name.module, body.name.name, x)
    end
    node!(w, UNIONALL, reference(w, x.var), reference(w, x.body))
end

function describe(w::Writer, x::DataType)
    name = x.name
    name.wrapper === x && return member(w, name.module, name.name, x)
    node!(w, APPLY, reference(w, name.wrapper), [reference(w, p) for p in x.parameters]...)
end

function describe(w::Writer, x::Method)
    own = x.module in w.base || root(x.module) in w.base
    code = isdefined(x, :source) && x.source isa Vector{UInt8} ? checksum(x.source) : Int32(0)
    node!(w, METHOD, reference(w, x.sig), reference(w, x.module), reference(w, String(x.file)), x.line,
          own ? Int32(0) : file_checksum(w, String(x.file)), own ? Int32(0) : code)
end

describe(w::Writer, x::Core.TypeName) = node!(w, TYPE_NAME, reference(w, x.wrapper))

describe(w::Writer, x::Core.MethodInstance) =
    node!(w, INSTANCE, reference(w, x.def), reference(w, x.specTypes), reference(w, x.sparam_vals))

function describe(w::Writer, @nospecialize(x))
    T = typeof(x)
    x isa Core.IntrinsicFunction && return member(w, Core.Intrinsics, nameof(x), x)
    isdefined(T, :instance) && return node!(w, SINGLETON, reference(w, T))
    if T.mutable
        isempty(w.globals) && find_globals!(w.globals)
        haskey(w.globals, x) && return held(w, w.globals[x]...)
        isempty(w.literals) && find_literals!(w.literals)
        haskey(w.literals, x) || throw(Unnameable("a $T that is neither a module's constant nor in a method"))
        method, index = w.literals[x]
        return node!(w, LITERAL, reference(w, method), index, reference(w, T))
    end
    has_pointers(T) && x !== C_NULL && throw(Unnameable("a $T, which holds an address of this process"))
    if isbitstype(T)
        bytes = GC.@preserve x unsafe_string(Ptr{UInt8}(ccall(:jl_value_ptr, Ptr{Cvoid}, (Any,), x)), sizeof(T))
        return node!(w, BITS, reference(w, T), text!(w, bytes)...)
    end
    all(i -> isdefined(x, i), 1:nfields(x)) || throw(Unnameable("a $T with a field that is not set"))
    node!(w, STRUCT, reference(w, T), [reference(w, getfield(x, i)) for i in 1:nfields(x)]...)
end

has_pointers(T) = T <: Ptr || (isbitstype(T) && any(has_pointers, fieldtypes(T)))

root(m::Module) = (p = parentmodule(m); p === m || m === Base ? m : root(p))

"The cell of a global variable."
function binding(w::Writer, m::Module, name::Symbol)
    node!(w, BINDING, reference(w, m), reference(w, name))
end

"The code of a method instance that another image has; whether it takes its arguments as an array."
body(w::Writer, code::Core.CodeInstance, array::Bool) =
    node!(w, BODY, reference(w, code.def), reference(w, code.rettype), Int(array))

checksum(bytes) = reinterpret(Int32, Base._crc32c(bytes))

function file_checksum(w::Writer, file::String)
    get!(w.files, file) do
        # Functions that the compiler makes of comprehensions have no file: their code alone tells.
        isfile(file) ? checksum(read(file)) : Int32(0)
    end
end

"All that constants of modules hold, and their fields that cannot change, once each: the way there from the module."
function find_globals!(found)
    function add(value, way...)
        value isa Union{Type,Function,Module} || haskey(found, value) || (found[value] = way)
    end
    each_module() do m
        for name in names(m; all=true)
            isdefined(m, name) && isconst(m, name) || continue
            value = getfield(m, name)
            add(value, m, name)
            (value isa Union{Type,Module} || typeof(value).mutable) && continue
            for field in fieldnames(typeof(value))
                field isa Symbol && isdefined(value, field) && add(getfield(value, field), m, name, field)
            end
        end
    end
end

"All objects that are in the code of methods, once."
function find_literals!(found)
    each_method() do method
        isdefined(method, :roots) || return
        for (index, value) in enumerate(method.roots)
            value isa Union{Type,Function,Module,Symbol} || haskey(found, value) || (found[value] = (method, index))
        end
    end
end
