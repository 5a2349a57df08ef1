# Makes the models of this folder and what their trainers' own libraries say: pip install numpy xgboost-cpu==3.2.0 lightgbm==4.7.0
import json, pathlib
import numpy as np, xgboost as xgb, lightgbm as lgb
D=str(pathlib.Path(__file__).parent)+'/'
r=np.random.default_rng(3); n=400
X=r.normal(size=(n,4)).astype(np.float32)*[1,10,.1,3]; X=X.astype(np.float32); X[r.random((n,4))<.1]=np.nan; X[r.random((n,4))<.05]=0
t=np.nan_to_num(X); y=t[:,0]*2+np.sin(t[:,1])+5*t[:,2]*t[:,3]
names=['a','b','c','d']; Q=X[:40]
def dump(name,out):
    # A line a row: columns, then what it says; what is missing is empty. repr() reads back to the same bits.
    with open(D+name+'.expected.csv','w') as f:
        for row,said in zip(Q,np.asarray(out,float).reshape(len(Q),-1)):
            f.write(','.join('' if np.isnan(v) else repr(float(v)) for v in row)+';'+','.join(repr(float(v)) for v in said)+'\n')
for name,obj,lab,kw in (('xgb-regression','reg:squarederror',y,{}),('xgb-binary','binary:logistic',(y>0)*1,{}),('xgb-classes','multi:softprob',np.digitize(y,[-1,1]),{'num_class':3})):
    d=xgb.DMatrix(X,lab,feature_names=names); b=xgb.train({'objective':obj,'max_depth':3,'eta':.3,'seed':1,**kw},d,6)
    open(D+name+'.json','w').write(b.save_raw('json').decode()+'\n'); q=xgb.DMatrix(Q,feature_names=names); dump(name,b.predict(q))
for name,obj,lab,kw in (('lgb-regression','regression',y,{}),('lgb-binary','binary',(y>0)*1,{}),('lgb-zero','regression',y,{'zero_as_missing':True}),('lgb-classes','multiclass',np.digitize(y,[-1,1]),{'num_class':3})):
    d=lgb.Dataset(X.astype(float),lab,feature_name=names); b=lgb.train({'objective':obj,'num_leaves':6,'learning_rate':.3,'verbose':-1,'seed':1,'min_data_in_leaf':10,**kw},d,6)
    m=b.dump_model(); m.pop('pandas_categorical',None)
    open(D+name+'.json','w').write(json.dumps(m)+'\n'); dump(name,b.predict(Q.astype(float)))
