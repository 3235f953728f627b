; Shards as metadata: functions are cut in order, data follows its users, and what crosses is shared under a name
; of its own. What belongs together stays together.
; RUN: opt -passes=jl-partition<shard-weight=4>,verify -S %s | FileCheck %s
; RUN: opt -passes=jl-partition,verify -S %s | FileCheck --check-prefix=ONE %s
target triple = "x86_64-unknown-linux-gnu"

$group = comdat any

; Bytes that any shard may have a copy of lose their name, which would change with every string before them.
; CHECK: @0 = private unnamed_addr constant [2 x i8] c"a\00"
; CHECK-NOT: jl.shard
@.str = private unnamed_addr constant [2 x i8] c"a\00"
; CHECK: @own = internal global i32 0, !jl.shard ![[FIRST:[0-9]+]]
@own = internal global i32 0
; CHECK: @between.jl.local = hidden global i32 0, !jl.shard ![[ROOT:[0-9]+]]
@between = internal global i32 0
; CHECK: @exported = global ptr @first, !jl.shard ![[ROOT]]
@exported = global ptr @first
; CHECK: @llvm.global_ctors = appending global {{.*}} !jl.shard ![[ROOT]]
@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @starts, ptr null }]

; ONE-NOT: jl.local
; ONE: !"jl.shards", i32 1

@alias = alias void (), ptr @second

; CHECK: define void @first() !jl.shard ![[FIRST]]
define void @first() {
  store i32 1, ptr @own
  store i32 1, ptr @between
  call void @puts(ptr @.str)
  ret void
}

; CHECK: define void @second() !jl.shard ![[SECOND:[0-9]+]]
define void @second() {
  store i32 1, ptr @between
  call void @puts(ptr @.str)
  call void @starts()
  ret void
}

; CHECK: define hidden void @starts.jl.local() #[[SHARED:[0-9]+]] !jl.shard ![[THIRD:[0-9]+]]
define internal void @starts() {
  call void @first()
  call void @second()
  ret void
}

; Both members of the group are in one shard.
; CHECK: define linkonce_odr void @group() comdat !jl.shard ![[FOURTH:[0-9]+]]
define linkonce_odr void @group() comdat {
  call void @member()
  call void @second()
  ret void
}

; CHECK: define internal void @member() comdat($group) !jl.shard ![[FOURTH]]
define internal void @member() comdat($group) {
  call void @first()
  call void @second()
  ret void
}

declare void @puts(ptr)

; Its bodies may be called from other shards.
; CHECK: attributes #[[SHARED]] = { "jl.shared" }
; CHECK-DAG: ![[ROOT]] = !{i32 0}
; CHECK-DAG: ![[FIRST]] = !{i32 1}
; CHECK-DAG: ![[SECOND]] = !{i32 2}
; CHECK-DAG: ![[THIRD]] = !{i32 3}
; CHECK-DAG: ![[FOURTH]] = !{i32 4}
