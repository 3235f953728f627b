# What is to be emitted: the method instances of a trace, and what Julia's code generator needs with them.

"The method instances that a trace names, each once; those of the traced script's own functions are none of a package."
function traced(trace)
    # Traces name types as seen from Main, with all packages' names.
    for package in values(Base.loaded_modules)
        isdefined(Main, nameof(package)) || Core.eval(Main, :(const $(nameof(package)) = $package))
    end
    found, lines, not_found = Set{Core.MethodInstance}(), 0, 0
    for line in eachline(trace)
        lines += 1
        instance = named(line)
        if instance === nothing || root(instance.def.module) === Main
            not_found += 1
        else
            push!(found, instance)
        end
    end
    collect(found), (lines=lines, not_found=not_found)
end

"The method instance of a line `precompile(TYPES)`, or nothing where it has names that only the traced script had."
function named(line)
    try
        method_instance(Core.eval(Main, with_characters(Meta.parse(line).args[2])))
    catch error
        error isa InterruptException && rethrow()
        nothing
    end
end

# Julia 1.5 traces a character as `Char(BITS)`, but reads that as the number of a character.
with_characters(x) = x
with_characters(x::Expr) = x.head == :call && x.args[1] == :Char && x.args[2] isa UInt32 ?
    reinterpret(Char, x.args[2]) : Expr(x.head, map(with_characters, x.args)...)

"The method instance that a call with these types runs."
function method_instance(types)
    matches = Base._methods_by_ftype(types, -1, Base.get_world_counter())
    matches === false && return nothing
    for (matched, parameters, method) in matches
        types <: method.sig && return Core.Compiler.specialize_method(method, types, parameters)
    end
    nothing
end

# The code instances of the base image that have machine code there, by their place in the image's state. In a process that
# writes an image Julia leaves that machine code alone, so it has to be told by another one (`base.jl`).
const base_code = Set{Int}(parse(Int, line) for line in eachline(base_list))

base_has(code::Core.CodeInstance) = place(code) in base_code
base_has(instance::Core.MethodInstance) = (code = valid_code(instance); code !== nothing && base_has(code))

# Julia passes this by value.
struct CodegenParameters
    switches::NTuple{6,Cint}
    hooks::NTuple{5,Ptr{Cvoid}}
end

"What Julia's code generator made: code of the wanted methods and of all that they call and that can be generated."
struct Closure
    llvm::Ptr{Cvoid}
    "For each code instance its entries in the table of functions, as in the record."
    entries::IdDict{Core.CodeInstance,Tuple{Int32,Int32}}
    functions::Vector{Ptr{Cvoid}}
    "For each variable that holds a pointer the address that it is for."
    data::Dict{Ptr{Cvoid},Ptr{Cvoid}}
end

function Closure(wanted::Vector{Core.MethodInstance})
    parameters = unsafe_load(Ptr{CodegenParameters}(cglobal(:jl_default_cgparams)))
    native = ccall(:jl_create_native, Ptr{Cvoid}, (Any, CodegenParameters), Vector{Any}(wanted), parameters)
    llvm = ccall(:jl_get_llvm_module, Ptr{Cvoid}, (Ptr{Cvoid},), native)
    entries = IdDict{Core.CodeInstance,Tuple{Int32,Int32}}()
    # Julia 1.5's description of generated code: the module, the vectors of functions and of data, and two maps.
    each_key(native + 7 * sizeof(Ptr)) do key, _
        code = unsafe_pointer_to_objref(key)
        numbers = Int32[0, 0]
        GC.@preserve numbers ccall(:jl_get_function_id, Cvoid, (Ptr{Cvoid}, Any, Ptr{Int32}, Ptr{Int32}), native, code,
                                   pointer(numbers, 1), pointer(numbers, 2))
        entries[code] = (numbers[1], numbers[2])
    end
    count = mapreduce(numbers -> max(numbers...), max, values(entries); init=Int32(0))
    functions = [ccall(:jl_get_llvm_function, Ptr{Cvoid}, (Ptr{Cvoid}, UInt32), native, i - 1) for i in 1:count]
    variables = unsafe_load(Ptr{Ptr{Ptr{Cvoid}}}(native), 5)
    data = Dict{Ptr{Cvoid},Ptr{Cvoid}}()
    each_key(native + 13 * sizeof(Ptr)) do key, value
        data[unsafe_load(variables, unsafe_load(Ptr{Int32}(value)))] = key
    end
    Closure(llvm, entries, functions, data)
end

"Calls `f` with the key and the address of the value for all in a `std::map` whose keys are pointers."
function each_key(f, map::Ptr{Cvoid})
    # A node: colour, parent, left, right, key, value. The map: comparison, a node without key, number of nodes.
    function visit(node)
        node == C_NULL && return
        words = Ptr{Ptr{Cvoid}}(node)
        visit(unsafe_load(words, 3))
        f(unsafe_load(words, 5), node + 5 * sizeof(Ptr))
        visit(unsafe_load(words, 4))
    end
    visit(unsafe_load(Ptr{Ptr{Cvoid}}(map), 3))
end

# What a method's code goes by, that is what its inference looked up: method instances, and signatures that some types have
# no method for. Julia keeps it the other way round, from what is called to who calls.

"For every method instance that called something: what."
function all_calls()
    calls = IdDict{Core.MethodInstance,Vector{Any}}()
    add(caller, callee) = push!(get!(() -> [], calls, caller), callee)
    for table in method_tables()
        isdefined(table, :backedges) || continue
        # Pairs of a signature and who asked.
        for i in 1:2:length(table.backedges) - 1
            add(table.backedges[i + 1], table.backedges[i])
        end
    end
    each_instance() do callee
        isdefined(callee, :backedges) && foreach(caller -> add(caller, callee), callee.backedges)
    end
    calls
end

"All that a method goes by: what it called, and what that went by in turn. The base image's code answers for itself."
function edges_of(caller::Core.MethodInstance, calls)
    found, open = IdDict{Any,Bool}(), Any[caller]
    while !isempty(open)
        for callee in get(calls, pop!(open), ())
            haskey(found, callee) && continue
            found[callee] = true
            callee isa Core.MethodInstance && !answers_for_itself(callee) && push!(open, callee)
        end
    end
    collect(keys(found))
end

answers_for_itself(callee::Core.MethodInstance) =
    (code = valid_code(callee); code !== nothing && 0 <= place(code) < state_size)
