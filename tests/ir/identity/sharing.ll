; Which functions another image may use, and why not.
; RUN: opt -passes=jl-identity<print> -disable-output %s | FileCheck %s
; RUN: not opt -passes=jl-identity<other> -disable-output %s 2>&1 | FileCheck --check-prefix=BAD %s
; BAD: unknown parameter 'other' of jl-identity; known is print
target triple = "x86_64-unknown-linux-gnu"

@mutable = internal global i32 0
@hidden_mutable = linkonce_odr hidden global i32 0
@vague_mutable = linkonce_odr global i32 0
@vague_constant = linkonce_odr constant i32 1
@common = common global i32 0
@one_definition = global i32 0
@own_tls = internal thread_local global i32 0
@table = internal constant [2 x i32] [i32 1, i32 2]
@text = private unnamed_addr constant [2 x i8] c"a\00"
@elsewhere = external hidden constant i32
@__start_items = external constant i32
@__stop_items = external global i32
@started = internal unnamed_addr constant ptr @__start_items
@constructors = internal constant [1 x ptr] [ptr @local]

declare void @external(ptr)
declare hidden i32 @own_personality(...)
declare i32 @personality(...)

; CHECK: {{^[0-9a-f]+}} shareable plain
define linkonce_odr i32 @plain(i32 %x) {
  %y = call i32 @local(i32 %x)
  ret i32 %y
}

; CHECK-NEXT: {{^[0-9a-f]+}} local local
define internal i32 @local(i32 %x) {
  %y = add i32 %x, 1
  ret i32 %y
}

; CHECK-NEXT: {{^[0-9a-f]+}} replaceable weak
define weak void @weak() {
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} elsewhere inlined_only
define available_externally void @inlined_only() {
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} own-data uses_mutable
define i32 @uses_mutable() {
  %x = load i32, ptr @mutable
  ret i32 %x
}

; What it calls uses it.
; CHECK-NEXT: {{^[0-9a-f]+}} own-data calls_user
define i32 @calls_user() {
  %x = call i32 @uses_mutable()
  ret i32 %x
}

; CHECK-NEXT: {{^[0-9a-f]+}} own-data uses_hidden
define i32 @uses_hidden() {
  %x = load i32, ptr @hidden_mutable
  ret i32 %x
}

; CHECK-NEXT: {{^[0-9a-f]+}} own-data uses_tls
define i32 @uses_tls() {
  %x = load i32, ptr @own_tls
  ret i32 %x
}

; The dynamic linker sees to it that there is only one, but not between plugins: each goes on with its copy.
; CHECK-NEXT: {{^[0-9a-f]+}} own-data uses_vague
define i32 @uses_vague() {
  %x = load i32, ptr @vague_mutable
  ret i32 %x
}

; CHECK-NEXT: {{^[0-9a-f]+}} own-data uses_common
define i32 @uses_common() {
  %x = load i32, ptr @common
  ret i32 %x
}

; CHECK-NEXT: {{^[0-9a-f]+}} shareable uses_vague_constant
define i32 @uses_vague_constant() {
  %x = load i32, ptr @vague_constant
  ret i32 %x
}

; CHECK-NEXT: {{^[0-9a-f]+}} shareable uses_one_definition
define i32 @uses_one_definition() {
  %x = load i32, ptr @one_definition
  ret i32 %x
}

; CHECK-NEXT: {{^[0-9a-f]+}} shareable reads_table
define i32 @reads_table(i64 %i) {
  %p = getelementptr inbounds i32, ptr @table, i64 %i
  %x = load i32, ptr %p
  ret i32 %x
}

; CHECK-NEXT: {{^[0-9a-f]+}} own-address passes_table
define void @passes_table() {
  call void @external(ptr @table)
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} shareable passes_text
define void @passes_text() {
  call void @external(ptr @text)
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} own-address passes_local
define void @passes_local() {
  call void @external(ptr @local)
  ret void
}

; Through what its data holds.
; CHECK-NEXT: {{^[0-9a-f]+}} own-address reads_pointers
define ptr @reads_pointers() {
  %x = load ptr, ptr @constructors
  ret ptr %x
}

; CHECK-NEXT: {{^[0-9a-f]+}} hidden-reference refers_elsewhere
define i32 @refers_elsewhere() {
  %x = load i32, ptr @elsewhere
  ret i32 %x
}

; Linkers define these, for each image its own.
; CHECK-NEXT: {{^[0-9a-f]+}} hidden-reference refers_to_a_section
define ptr @refers_to_a_section() {
  ret ptr @__start_items
}

; CHECK-NEXT: {{^[0-9a-f]+}} hidden-reference refers_by_a_constant
define ptr @refers_by_a_constant() {
  %x = load ptr, ptr @started
  ret ptr %x
}

; CHECK-NEXT: {{^[0-9a-f]+}} own-data refers_to_writable_section
define ptr @refers_to_writable_section() {
  ret ptr @__stop_items
}

; CHECK-NEXT: {{^[0-9a-f]+}} personality unwinds_here
define void @unwinds_here() personality ptr @own_personality {
  invoke void @external(ptr null) to label %done unwind label %pad
pad:
  %caught = landingpad { ptr, i32 } cleanup
  resume { ptr, i32 } %caught
done:
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} shareable unwinds
define void @unwinds() personality ptr @personality {
  invoke void @external(ptr null) to label %done unwind label %pad
pad:
  %caught = landingpad { ptr, i32 } cleanup
  resume { ptr, i32 } %caught
done:
  ret void
}

; Instructions of operands, registers and numbers name nothing.
; CHECK-NEXT: {{^[0-9a-f]+}} shareable harmless_assembly
define i32 @harmless_assembly(i32 %x) {
  call void asm sideeffect "#begin of jmp somewhere", ""()
  %a = call { i32, i32 } asm "xchg$(q$)\09$(%$)rbx, ${1:q}; cpuid; xchg$(q$)\09$(%$)rbx, ${1:q}", "={ax},=&r,0"(i32 %x)
  %c = extractvalue { i32, i32 } %a, 0
  %b = call i32 asm "lea -0x10(%rsp), %rax\0A\09addl $1, $0; add $$3, $0", "=r,r,~{rax}"(i32 %c)
  ret i32 %b
}

; Symbols, also behind other instructions, comments and alternatives; labels, directives, and what is near the code.
; CHECK-NEXT: {{^[0-9a-f]+}} inline-assembly calls_by_name
define void @calls_by_name() {
  call void asm sideeffect "call local", ""()
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} inline-assembly names_behind
define void @names_behind() {
  call void asm sideeffect "nop # nothing\0Amov mutable(,%rax,4), %rax", "~{rax}"()
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} inline-assembly names_as_number
define void @names_as_number() {
  call void asm sideeffect "movq $$mutable, %rax", "~{rax}"()
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} inline-assembly names_by_choice
define void @names_by_choice() {
  call void asm sideeffect "push $(mutable$|%rax$)", ""()
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} inline-assembly label
define void @label() {
  call void asm sideeffect "1: dec %eax; jne 1b", "~{rax}"()
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} inline-assembly directive
define void @directive() {
  call void asm sideeffect ".quad 0", ""()
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} inline-assembly near_the_code
define void @near_the_code() {
  call void asm sideeffect "lea 8(%rip), %rax", "~{rax}"()
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} inline-assembly other_dialect
define void @other_dialect() {
  call void asm sideeffect inteldialect "cpuid", ""()
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} inline-assembly assembly
define void @assembly() {
  call void asm sideeffect "incl mutable(%rip)", ""()
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} shareable barrier
define void @barrier() {
  call void asm sideeffect "", "~{memory}"()
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} label-address labels
define ptr @labels() {
  br label %next
next:
  ret ptr blockaddress(@labels, %next)
}

; CHECK-NEXT: {{^[0-9a-f]+}} naked bare
define void @bare() naked {
  unreachable
}

; CHECK-NEXT: {{^[0-9a-f]+}} section placed
define void @placed() section "here" {
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} prefix-data prefixed
define void @prefixed() prefix i32 1 {
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} shareable arguments
define void @arguments(...) {
  ret void
}

; Circles of local functions, one of which uses data of its own.
; CHECK-NEXT: {{^[0-9a-f]+}} own-data into_circle
define void @into_circle() {
  call void @even()
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} local even
define internal void @even() {
  call void @odd()
  ret void
}

; CHECK-NEXT: {{^[0-9a-f]+}} local odd
define internal void @odd() {
  call void @even()
  store i32 1, ptr @mutable
  ret void
}
