# Ways through all that is loaded.

using Libdl

"Calls `f` with every module that is loaded."
function each_module(f)
    seen = Set{Module}()
    function visit(m)
        m in seen && return
        push!(seen, m)
        f(m)
        for name in names(m; all=true)
            isdefined(m, name) && !Base.isdeprecated(m, name) || continue
            value = getfield(m, name)
            value isa Module && parentmodule(value) === m && visit(value)
        end
    end
    foreach(visit, [Core, Main, values(Base.loaded_modules)...])
end

"All functions' tables of methods."
function method_tables()
    tables = IdDict{Core.MethodTable,Bool}()
    function add(type)
        type = Base.unwrap_unionall(type)
        type isa DataType && isdefined(type.name, :mt) && (tables[type.name.mt] = true)
    end
    each_module() do m
        for name in names(m; all=true)
            isdefined(m, name) && !Base.isdeprecated(m, name) || continue
            value = getfield(m, name)
            add(value isa Type ? value : typeof(value))
        end
    end
    foreach(add, [Type, DataType, UnionAll, Union])
    keys(tables)
end

function each_method(f)
    for table in method_tables(), method in Base.MethodList(table)
        f(method)
    end
end

"Calls `f` with every method instance."
function each_instance(f)
    each_method() do method
        specialisations = method.specializations
        for i in 1:length(specialisations)
            isassigned(specialisations, i) && specialisations[i] isa Core.MethodInstance && f(specialisations[i])
        end
    end
end

"Code that is valid from now on, or nothing."
function valid_code(instance::Core.MethodInstance)
    isdefined(instance, :cache) || return nothing
    code = instance.cache
    while true
        code.max_world == typemax(UInt) && return code
        isdefined(code, :next) || return nothing
        code = code.next
    end
end

"Where an object of the base image is in the image's state: the same in each process."
place(@nospecialize(x)) = Int(pointer_from_objref(x)) - Int(state_start)
const base_image = dlopen(unsafe_string(Base.JLOptions().image_file))
const state_start = dlsym(base_image, "jl_system_image_data")
const state_size = Int(unsafe_load(Ptr{Csize_t}(dlsym(base_image, "jl_system_image_size"))))
