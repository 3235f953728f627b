; Calls that throw keep their lines in Julia's images: LLVM does not make one of those that end in `unreachable`.
; RUN: opt -passes=jl-annotate,verify -S %s | FileCheck %s --check-prefix=APART
; RUN: opt -passes=jl-annotate,default<O3>,verify -S %s | llc -O3 | FileCheck %s --check-prefix=LINES
; RUN: opt -passes=verify -S %s | llc -O3 | FileCheck %s --check-prefix=PLAIN
target triple = "x86_64-pc-linux-gnu"
@jl_sysimg_fvars_offsets = constant [2 x i32] [i32 1, i32 0]
@jl_sysimg_gvars_offsets = constant [1 x i32] zeroinitializer
@jl_dispatch_fvars_idxs = constant [1 x i32] [i32 -2147483648]
@jl_sysimg_fvars_base = alias i64, ptr @check

; APART-LABEL: @check(
; APART: call void @throw(i32 1) #[[APART:[0-9]+]]
; APART: call void @seen(i32 %x), !dbg
; APART: call void @throw(i32 1) #[[APART]]
; APART: attributes #[[APART]] = { nomerge }
; LINES-LABEL: check:
; LINES: .loc 1 {{2|4}}
; LINES: callq throw
; LINES: .loc 1 {{2|4}}
; LINES: callq throw
; LINES: .size check
; PLAIN-LABEL: check:
; PLAIN-COUNT-1: callq throw
; PLAIN-NOT: callq throw
; PLAIN: .size check
define void @check(i32 %x) !dbg !3 {
  %low = icmp slt i32 %x, 3
  br i1 %low, label %first, label %next, !dbg !5
first:
  call void @throw(i32 1), !dbg !6
  unreachable, !dbg !6
next:
  call void @seen(i32 %x), !dbg !7
  %high = icmp sgt i32 %x, 9
  br i1 %high, label %second, label %end, !dbg !7
second:
  call void @throw(i32 1), !dbg !8
  unreachable, !dbg !8
end:
  ret void
}
declare void @throw(i32)
declare void @seen(i32)

!llvm.module.flags = !{!0}
!llvm.dbg.cu = !{!1}
!0 = !{i32 2, !"Debug Info Version", i32 3}
!1 = distinct !DICompileUnit(language: DW_LANG_Julia, file: !2, emissionKind: LineTablesOnly)
!2 = !DIFile(filename: "check.jl", directory: ".")
!3 = distinct !DISubprogram(name: "check", scope: !2, file: !2, line: 1, type: !4, spFlags: DISPFlagDefinition, unit: !1)
!4 = !DISubroutineType(types: !{null})
!5 = !DILocation(line: 1, scope: !3)
!6 = !DILocation(line: 2, scope: !3)
!7 = !DILocation(line: 3, scope: !3)
!8 = !DILocation(line: 4, scope: !3)
